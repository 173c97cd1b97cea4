import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from autola_analysis.analyses.saliency.faithfulness import (
    SMALLEST_RISE,
    area,
    faithfulness,
    scaled_area,
    unscaled_warnings,
)
from autola_analysis.core.errors import DataError, OptionError
from tests.inference.networks import Tiny
from tests.inference.state import state_of


class Corner(nn.Module):
    """Its first logit is the contrast of the upper left quarter of an image of side 8."""

    def forward(self, x: Tensor) -> Tensor:
        quarter = x[:, 0, :4, :4]
        contrast = (quarter - quarter.mean((1, 2), keepdim=True)).abs().mean((1, 2))
        return torch.stack((12 * (contrast - 0.6), x.new_zeros(len(x))), 1)


IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
CORNERS = IMAGES / IMAGES[:, :1, :4, :4].std((2, 3), keepdim=True)  # of the same contrast in the quarter


def naive_curve(model: nn.Module, inside: Tensor, outside: Tensor, order: list[int], target: int) -> list[float]:
    """One image, 16 portions of 4 pixels each, one at a time."""
    curve = []
    for step in range(17):
        image = outside.clone()
        for pixel in order[: 4 * step]:
            image[:, pixel // 8, pixel % 8] = inside[:, pixel // 8, pixel % 8]
        with torch.no_grad():
            curve.append(float(model(image[None]).softmax(1)[0, target]))
    return curve


@pytest.mark.parametrize("batch_size", [5, 64])
def test_curves_and_areas_equal_a_naive_computation(batch_size: int) -> None:
    model = Tiny().eval()
    maps = torch.rand(3, 8, 8)
    targets = torch.tensor([1, 5, 1])
    found = faithfulness(model, IMAGES, maps, targets, batch_size=batch_size)
    for index in range(3):
        order = maps[index].flatten().argsort(descending=True).tolist()
        mean = IMAGES[index].mean((1, 2), keepdim=True).expand(3, 8, 8)
        expected = naive_curve(model, mean, IMAGES[index], order, int(targets[index]))
        np.testing.assert_allclose(found.deletion_curve[index], expected, rtol=1e-4)
        np.testing.assert_allclose(area(found.deletion_curve)[index], np.trapezoid(expected, dx=1 / 16), rtol=1e-4)
        with torch.no_grad():
            whole = float(model(IMAGES[index : index + 1]).softmax(1)[0, targets[index]])
        assert found.insertion_curve[index, -1] == pytest.approx(whole, rel=1e-4)


def naive_scaled(curve: list[float], start: float, full: float) -> float:
    """The area by the trapezoidal rule, between a start and the full image, one portion at a time."""
    under = sum((curve[i] + curve[i + 1]) / 2 / (len(curve) - 1) for i in range(len(curve) - 1))
    return (under - start) / (full - start)


def test_areas_are_scaled_between_the_blurred_or_emptied_image_and_the_full_one() -> None:
    maps = torch.zeros(3, 8, 8)
    maps[:, :4, :4] = torch.rand(4, 4)
    found = faithfulness(Corner(), CORNERS, maps, torch.zeros(3, dtype=torch.int64))
    for index in range(3):
        entering, leaving = found.insertion_curve[index].tolist(), found.deletion_curve[index].tolist()
        assert entering[-1] == pytest.approx(leaving[0], rel=1e-5)  # the full image
        assert min(entering[-1] - entering[0], leaving[0] - leaving[-1]) > SMALLEST_RISE
        assert found.insertion[index] == pytest.approx(naive_scaled(entering, entering[0], entering[-1]))
        assert found.deletion[index] == pytest.approx(naive_scaled(leaving, leaving[-1], leaving[0]))


def from_start_to_end(curves: np.ndarray) -> np.ndarray:
    return scaled_area(curves, curves[:, 0], curves[:, -1])


def test_scaled_areas_of_known_curves() -> None:
    at_once, at_last, straight = [0.2, 0.8, 0.8, 0.8, 0.8], [0.2, 0.2, 0.2, 0.2, 0.8], [0.1, 0.3, 0.5, 0.7, 0.9]
    beyond = [0.2, 1.0, 1.0, 1.0, 0.8]
    found = from_start_to_end(np.array([at_once, at_last, straight, beyond]))
    np.testing.assert_allclose(found, [7 / 8, 1 / 8, 1 / 2, (0.875 - 0.2) / 0.6])


def test_a_map_of_what_the_network_uses_is_better_than_its_opposite() -> None:
    right = torch.zeros(3, 8, 8)
    right[:, :4, :4] = 1
    zeros = torch.zeros(3, dtype=torch.int64)
    good, bad = (faithfulness(Corner(), CORNERS, maps, zeros) for maps in (right, 1 - right))
    assert (good.insertion > bad.insertion).all()
    assert (good.deletion < bad.deletion).all()


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=17).filter(lambda curve: curve[-1] - curve[0] > 0.5),
    st.floats(-0.5, 0.5),
    st.floats(0.4, 3),
)
def test_a_softened_or_sharpened_softmax_has_the_same_scaled_area(
    curve: list[float], offset: float, factor: float
) -> None:
    ours = np.array([curve])
    softened = from_start_to_end(offset + factor * ours)
    np.testing.assert_allclose(softened, from_start_to_end(ours), rtol=1e-9, atol=1e-12)


class Softened(nn.Module):
    """A network whose softmax of two classes is half way between that of another and one half."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        softmax: Tensor = self.model(x).double().softmax(1)
        return (0.25 + 0.5 * softmax).log()


def test_a_network_that_is_less_confident_by_the_same_measure_everywhere_is_as_faithful() -> None:
    maps, zeros = torch.rand(3, 8, 8), torch.zeros(3, dtype=torch.int64)
    sharp, soft = (faithfulness(model, CORNERS, maps, zeros) for model in (Corner(), Softened(Corner())))
    assert (sharp.insertion_curve[:, -1] - soft.insertion_curve[:, -1] > 0.05).all()
    np.testing.assert_allclose(soft.insertion, sharp.insertion, rtol=1e-5)
    np.testing.assert_allclose(soft.deletion, sharp.deletion, rtol=1e-5)


def test_an_image_that_is_recognised_as_surely_when_blurred_has_no_scaled_area_and_is_counted() -> None:
    flat, falling, just = [0.9, 0.5, 0.9], [0.9, 0.5, 0.1], [0.25, 0.6, 0.2501 + SMALLEST_RISE]
    found = from_start_to_end(np.array([flat, falling, [0.5, 0.6, 0.69], just]))
    assert np.isnan(found).tolist() == [True, True, True, False]
    rows = [
        {"image": image, "insertion": value, "deletion": 0.1}
        for image, value in (("a", np.nan), ("b", 0.5), ("a", np.nan), ("b", 0.7))  # two maps of each image
    ]
    assert unscaled_warnings("SE", rows) == [
        "SE: 1 of 2 images have no insertion, because the target's softmax rises by less than 0.2 from the blurred "
        "image to the full one."
    ]
    assert unscaled_warnings("SE", [{"image": "a"}]) == []


def test_equal_values_are_taken_in_a_seeded_order_that_does_not_depend_on_the_batch() -> None:
    model, maps, targets = Tiny(), torch.zeros(3, 8, 8), torch.zeros(3, dtype=torch.int64)
    found = faithfulness(model, IMAGES, maps, targets).insertion_curve
    again = faithfulness(model, IMAGES[1:], maps[1:], targets[1:]).insertion_curve
    np.testing.assert_allclose(found[1:], again, rtol=1e-5)
    other = faithfulness(model, IMAGES, maps, targets, seed=1).insertion_curve
    assert not np.allclose(found, other, rtol=1e-7)


def test_everything_of_the_callers_is_as_before() -> None:
    model, images = Tiny().train(), IMAGES.clone()
    before = state_of(model)
    faithfulness(model, images, torch.rand(3, 3, 8, 8, generator=torch.Generator()), torch.tensor([0, 1, 2]))
    assert state_of(model) == before
    assert torch.equal(images, IMAGES)


def test_what_does_not_fit_is_refused() -> None:
    targets = torch.tensor([0, 1, 2])
    with pytest.raises(DataError, match=r"those of the images \(3, 3, 8, 8\); found \(2, 8, 8\) and \(3,\)"):
        faithfulness(Tiny(), IMAGES, torch.rand(2, 8, 8), targets)
    with pytest.raises(OptionError, match="steps and batch_size must be positive; found 0"):
        faithfulness(Tiny(), IMAGES, torch.rand(3, 8, 8), targets, steps=0)
