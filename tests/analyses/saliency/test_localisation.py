from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from autola_analysis.analyses.saliency.cells import CellAxis, CellGrid
from autola_analysis.analyses.saliency.localisation import (
    CHANCE_MAPS,
    METRICS,
    ceiling,
    centred_gaussian_map,
    centroid_offset,
    effective_area,
    energy_inside,
    intensities,
    iou,
    localise,
    pixel_auc,
    pointing_game,
    precision_at_mask_area,
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


def test_rank_metrics_by_hand() -> None:
    maps = torch.tensor([[[4.0, 1.0, 2.0], [3.0, 2.0, 2.0]]])
    objects = mask(2, 3, (0, 0), (0, 1), (0, 2))
    # 4 and 3 come first; one of three 2s, of which one lies on the object, takes the third place.
    assert precision_at_mask_area(maps, objects).tolist() == [(1 + 1 / 3) / 3]
    # 4 beats 3, 2 and 2; 1 beats none; 2 ties with two.
    assert pixel_auc(maps, objects).tolist() == [(3 + 0 + 1) / 9]
    assert effective_area(maps, objects).tolist() == pytest.approx([14**2 / (6 * 38)])
    # Centroids: columns (7 * 0 + 3 * 1 + 4 * 2) / 14 against 1, rows 7 / 14 against 0; the shorter side is 2.
    assert centroid_offset(maps, objects)[0].tolist() == pytest.approx([(11 / 14 - 1) / 2, 0.5 / 2])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_precision_is_the_mean_over_all_orders_of_ties(values: list[int], inside: list[bool]) -> None:
    area = sum(inside)
    found = precision_at_mask_area(torch.tensor([[values]], dtype=torch.float64), np.array([[inside]]))[0]
    if not area:
        assert np.isnan(found)
    elif not any(values):
        assert found == 0
    else:
        orders = [sorted(order, key=lambda pixel: -values[pixel])[:area] for order in permutations(range(6))]
        assert found == pytest.approx(np.mean([[inside[pixel] for pixel in order] for order in orders]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_auc_is_that_of_scikit_learn_and_images_do_not_depend_on_each_other(seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    maps = torch.from_numpy(generator.integers(0, levels + 1, (3, 5, 7)).astype(float))
    objects = generator.random((3, 5, 7)) < 0.4
    objects[:, 0, 0], objects[:, 0, 1], maps[:, 2, 2] = True, False, 1
    expected = [roc_auc_score(mask.ravel(), each.ravel()) for each, mask in zip(maps, objects, strict=True)]
    np.testing.assert_allclose(pixel_auc(maps, objects), expected)
    together = localise(maps, objects)
    for index in range(3):
        alone = localise(maps[index : index + 1], objects[index : index + 1])
        assert all(values[0] == together[name][index] for name, values in alone.items())


def test_a_cubed_map_has_the_same_precision_and_auc_to_the_last_bit_and_more_energy() -> None:
    generator = torch.Generator().manual_seed(0)
    objects = torch.zeros(8, 24, 24, dtype=torch.bool)
    objects[:, 6:15, 8:20] = True
    maps = torch.rand(8, 24, 24, generator=generator, dtype=torch.float64) + 0.5 * objects
    maps[:, :4] = 0.25  # with ties
    plain, cubed = localise(maps, objects), localise(maps**3, objects)
    assert (plain["precision"] == cubed["precision"]).all()
    assert (plain["auc"] == cubed["auc"]).all()
    assert (plain["precision"] == localise(7 * maps + 1, objects)["precision"]).all()
    assert (cubed["energy"] > plain["energy"] + 0.1).all()
    assert (cubed["effective_area"] < plain["effective_area"] - 0.1).all()


def test_offsets_are_signed_and_in_shares_of_the_shorter_side() -> None:
    maps = torch.zeros(1, 20, 40)
    maps[0, 4, 31] = 5
    offset = centroid_offset(maps, mask(20, 40, (10, 20), (10, 21)))
    np.testing.assert_allclose(offset, [[(31 - 20.5) / 20, (4 - 10) / 20]])
    found = localise(maps, mask(20, 40, (10, 20), (10, 21)))
    assert (found["offset_x"][0], found["offset_y"][0]) == tuple(offset[0])


def test_effective_area_of_flat_and_of_single_pixels() -> None:
    maps = torch.zeros(3, 4, 5)
    maps[0], maps[1, 2, 3], maps[2, :2] = 3, 9, 1e-30
    np.testing.assert_allclose(effective_area(maps, np.ones((3, 4, 5), dtype=bool)), [1, 1 / 20, 1 / 2])


def test_the_ceiling_is_the_precision_of_the_objects_own_coarse_map() -> None:
    generator = np.random.default_rng(0)
    objects = np.zeros((4, 32, 32), dtype=bool)
    for each in objects:
        row, column = generator.integers(0, 20, 2)
        each[row : row + 12, column : column + 9] = True
    for grid in (CellGrid.stretched((8, 4), (32, 32)), CellGrid(CellAxis(8, 32, 4, 0.5), CellAxis(8, 32, 4, 0.5))):
        coarse = torch.zeros(4, grid.rows.cells, grid.columns.cells, dtype=torch.float64)
        for row in range(grid.rows.cells):
            for column in range(grid.columns.cells):
                top, left = (axis.first + axis.stride * (number - 0.5)
                             for axis, number in ((grid.rows, row), (grid.columns, column)))  # fmt: skip
                fine = np.kron(objects, np.ones((1, 2, 2)))  # sides of a square lie on half pixels
                square = fine[:, max(0, int(2 * top)) : int(2 * (top + grid.rows.stride))]
                square = square[:, :, max(0, int(2 * left)) : int(2 * (left + grid.columns.stride))]
                coarse[:, row, column] = torch.from_numpy(square.mean((1, 2)))
        expected = precision_at_mask_area(grid.place(coarse), objects)
        np.testing.assert_allclose(ceiling(objects, grid), expected)
        assert (expected < 1).all()
        np.testing.assert_array_equal(localise(torch.rand(4, 32, 32), objects, grid)["ceiling"], ceiling(objects, grid))
    assert ceiling(objects, None).tolist() == [1] * 4
    finer = ceiling(objects, CellGrid.stretched((16, 16), (32, 32)))
    assert (finer > ceiling(objects, CellGrid.stretched((4, 4), (32, 32)))).all()


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
        highest = sorted(((value[r, c], obj[r, c]) for r in range(20) for c in range(30)), reverse=True)
        assert found["precision"][index] == np.mean([on for _, on in highest[: obj.sum()]])
        pairs = [(on > off) + (on == off) / 2 for on in inside for off in value[~obj]]
        np.testing.assert_allclose(found["auc"][index], np.mean(pairs))
        np.testing.assert_allclose(found["effective_area"][index], value.sum() ** 2 / (600 * (value**2).sum()))
    assert list(found) == list(METRICS)


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
    objects = np.repeat(mask(4, 4, (0, 0), (1, 1)), 4, axis=0)
    found = localise(maps, objects)
    for name in ("precision", "auc", "energy", "pointing", "iou"):
        assert found[name].tolist() == [0, 0, 0, 0]
    for name in ("effective_area", "offset_x", "offset_y"):
        assert np.isnan(found[name]).all()
    assert found["ceiling"].tolist() == [1, 1, 1, 1]


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
    for name in ("precision", "energy"):
        np.testing.assert_allclose(uniform[name], share)
    assert (uniform["auc"][0], uniform["effective_area"][0]) == (0.5, 1)
    np.testing.assert_allclose(uniform["iou"], share)
    assert share < uniform["pointing"][0] < 1.8 * share  # as often as a random pixel lies within the tolerance
    centred = localise(centred_gaussian_map(64, 64), objects)
    assert centred["energy"][0] > share
    assert centred["precision"][0] > 0.9
    np.testing.assert_allclose([centred["offset_x"], centred["offset_y"]], 0, atol=1e-9)
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
