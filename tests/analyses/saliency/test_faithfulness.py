import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autola_analysis.analyses.saliency.faithfulness import faithfulness
from autola_analysis.core.errors import DataError, OptionError
from tests.inference.networks import Tiny
from tests.inference.state import state_of


class Corner(nn.Module):
    """Its first logit is the contrast of the upper left quarter of an image of side 8."""

    def forward(self, x: Tensor) -> Tensor:
        quarter = x[:, 0, :4, :4]
        return torch.stack(
            (4 * (quarter - quarter.mean((1, 2), keepdim=True)).abs().mean((1, 2)), x.new_zeros(len(x))), 1
        )


IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


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
        np.testing.assert_allclose(found.deletion[index], np.trapezoid(expected, dx=1 / 16), rtol=1e-4)
        with torch.no_grad():
            whole = float(model(IMAGES[index : index + 1]).softmax(1)[0, targets[index]])
        assert found.insertion_curve[index, -1] == pytest.approx(whole, rel=1e-4)


def test_a_map_of_what_the_network_uses_is_better_than_its_opposite() -> None:
    right = torch.zeros(3, 8, 8)
    right[:, :4, :4] = 1
    zeros = torch.zeros(3, dtype=torch.int64)
    good, bad = (faithfulness(Corner(), IMAGES, maps, zeros) for maps in (right, 1 - right))
    assert (good.insertion > bad.insertion).all()
    assert (good.deletion < bad.deletion).all()


def test_equal_values_are_taken_in_a_seeded_order_that_does_not_depend_on_the_batch() -> None:
    model, maps, targets = Tiny(), torch.zeros(3, 8, 8), torch.zeros(3, dtype=torch.int64)
    found = faithfulness(model, IMAGES, maps, targets)
    again = faithfulness(model, IMAGES[1:], maps[1:], targets[1:])
    np.testing.assert_allclose(found.insertion[1:], again.insertion, rtol=1e-5)
    assert not np.allclose(found.insertion, faithfulness(model, IMAGES, maps, targets, seed=1).insertion, rtol=1e-7)


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
