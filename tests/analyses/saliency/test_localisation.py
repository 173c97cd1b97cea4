import numpy as np
import pytest
import torch

from autola_analysis.analyses.saliency.localisation import (
    CHANCE_MAPS,
    METRICS,
    centred_gaussian_map,
    energy_inside,
    intensities,
    iou,
    localise,
    pointing_game,
    uniform_map,
)
from autola_analysis.core.errors import DataError


def mask(height: int, width: int, *pixels: tuple[int, int]) -> np.ndarray:
    result = np.zeros((1, height, width), dtype=bool)
    for row, column in pixels:
        result[0, row, column] = True
    return result


def test_metrics_by_hand() -> None:
    maps = torch.tensor([[[4.0, 1.0], [3.0, 0.0]]])
    objects = mask(2, 2, (0, 0), (0, 1))
    assert energy_inside(maps, objects).tolist() == [5 / 8]
    assert iou(maps, objects).tolist() == [2 / 3]  # 4, 1 and 3 reach 0.8
    assert iou(maps, objects, threshold=0.5).tolist() == [1 / 3]
    assert pointing_game(maps, objects).tolist() == [1]
    assert pointing_game(maps, mask(2, 2, (1, 1))).tolist() == [0]


def test_metrics_equal_a_naive_computation() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(5, 20, 30, generator=generator)
    objects = torch.rand(5, 20, 30, generator=generator) > 0.99
    found = localise(maps, objects)
    for index in range(5):
        value, obj = maps[index].double().numpy(), objects[index].numpy()
        inside = [value[r, c] for r in range(20) for c in range(30) if obj[r, c]]
        np.testing.assert_allclose(found["energy"][index], sum(inside) / value.sum())
        marked = value >= 0.2 * value.max()
        np.testing.assert_allclose(found["iou"][index], (marked & obj).sum() / (marked | obj).sum())
        row, column = np.unravel_index(value.argmax(), value.shape)
        nearest = min(np.hypot(row - r, column - c) for r, c in zip(*np.nonzero(obj), strict=True))
        assert found["pointing"][index] == (nearest <= 15 * 20 / 224)
    assert tuple(found) == METRICS


@pytest.mark.parametrize(("side", "distance"), [(224, 15), (448, 30), (32, 2)])
def test_the_tolerance_of_the_pointing_game_scales_with_the_image(side: int, distance: int) -> None:
    maps = torch.zeros(1, side, side)
    maps[0, 0, 0] = 1
    assert pointing_game(maps, mask(side, side, (0, distance))).tolist() == [1]
    assert pointing_game(maps, mask(side, side, (0, distance + 1))).tolist() == [0]


def test_maps_that_say_nothing_are_misses() -> None:
    maps = torch.stack(
        [torch.zeros(4, 4), torch.full((4, 4), torch.nan), torch.full((4, 4), torch.inf), -torch.ones(4, 4)]
    )
    objects = np.ones((4, 4, 4), dtype=bool)
    for values in localise(maps, objects).values():
        assert values.tolist() == [0, 0, 0, 0]


def test_an_image_without_an_object_has_no_metric() -> None:
    for values in localise(torch.rand(1, 4, 4), np.zeros((1, 4, 4), dtype=bool)).values():
        assert np.isnan(values).all()


def test_input_gradients_are_reduced_by_the_largest_absolute_value() -> None:
    gradient = torch.tensor([1.0, -3.0, 2.0]).view(1, 3, 1, 1)
    assert intensities(gradient).tolist() == [[[3.0]]]
    assert intensities(torch.tensor([[[-1.0, 2.0]]])).tolist() == [[[0.0, 2.0]]]


def test_chance_maps_know_nothing_of_the_object() -> None:
    objects = mask(64, 64, *((r, c) for r in range(20, 44) for c in range(20, 44)))
    share = 24 * 24 / 64**2
    uniform = localise(uniform_map(64, 64), objects)
    np.testing.assert_allclose(uniform["energy"], share)
    np.testing.assert_allclose(uniform["iou"], share)
    assert share < uniform["pointing"][0] < 1.8 * share  # as often as a random pixel lies within the tolerance
    centred = localise(centred_gaussian_map(64, 64), objects)
    assert centred["energy"][0] > share
    assert centred["pointing"][0] == 1
    torch.testing.assert_close(centred_gaussian_map(6, 8), centred_gaussian_map(6, 8).flip(1, 2))
    assert list(CHANCE_MAPS) == ["uniform", "centred-gaussian"]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape of the maps, \(1, 2, 2\); found \(1, 2, 3\)"):
        energy_inside(torch.rand(1, 2, 2), mask(2, 3))
    with pytest.raises(DataError, match="masks must be boolean"):
        energy_inside(torch.rand(1, 2, 2), np.ones((1, 2, 2)))
    with pytest.raises(DataError, match=r"\(B, H, W\) or \(B, 3, H, W\); found \(2, 2\)"):
        energy_inside(torch.rand(2, 2), mask(2, 2))
