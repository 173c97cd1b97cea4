"""Numbers of maps of single objects against pixel by pixel sums, and regions by their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.analyses.saliency.objects.localise import OBJECT_METRICS, chance_maps, localise_object
from autola_analysis.analyses.saliency.objects.regions import Regions, box_masks, regions_of
from autola_analysis.core.objects import Objects

HEIGHT, WIDTH = 12, 16


def objects(boxes: list[list[float]], labels: list[int], crowd: list[bool]) -> Objects:
    corners = np.array(boxes, dtype=np.float64)
    return Objects(corners, np.array(labels), np.ones(len(labels)), np.array(crowd), np.arange(len(labels)))


SCENE = objects([[2, 2, 7, 8], [5, 5, 11, 11], [6, 1, 15, 7], [0, 9, 6, 12]], [0, 0, 1, 0], [False, False, False, True])
PREDICTED = np.array([1.0, 3.0, 8.0, 9.0])


def inside(box: np.ndarray, row: int, column: int) -> bool:
    x1, y1, x2, y2 = box
    return x1 <= column + 0.5 < x2 and y1 <= row + 0.5 < y2


def naive(map_: np.ndarray) -> dict[str, float]:
    """Of the first object, by the definitions, pixel by pixel."""
    own, same, other, crowd = (SCENE.boxes[number] for number in range(4))
    sums = dict.fromkeys(("all", "own", "same", "other", "predicted", "everything"), 0.0)
    squares = moment_x = moment_y = 0.0
    for row in range(HEIGHT):
        for column in range(WIDTH):
            value = map_[row, column]
            sums["everything"] += value
            sums["predicted"] += value * inside(PREDICTED, row, column)
            on = inside(own, row, column)
            if inside(crowd, row, column) and not on:
                continue
            sums["all"] += value
            sums["own"] += value * on
            sums["same"] += value * (inside(same, row, column) and not on)
            sums["other"] += value * (inside(other, row, column) and not on and not inside(same, row, column))
            squares += value * ((column + 0.5 - 4.5) ** 2 + (row + 0.5 - 5) ** 2)
            moment_x += value * (column + 0.5 - 4.5)
            moment_y += value * (row + 0.5 - 5)
    return {
        "energy_box": sums["own"] / sums["all"],
        "energy_same": sums["same"] / sums["all"],
        "energy_other": sums["other"] / sums["all"],
        "odi": (sums["same"] + sums["other"]) / (sums["own"] + sums["same"] + sums["other"]),
        "compactness": np.sqrt(squares / sums["all"]) / (np.hypot(5, 6) / 2),
        "offset_x": moment_x / sums["all"] / HEIGHT,
        "offset_y": moment_y / sums["all"] / HEIGHT,
        "energy_predicted": sums["predicted"] / sums["everything"],
    }


def regions() -> Regions:
    return regions_of(SCENE, box_masks(SCENE.boxes, HEIGHT, WIDTH), None, 0)


def test_every_number_is_that_of_its_definition() -> None:
    maps = np.random.default_rng(0).random((3, HEIGHT, WIDTH))
    found = localise_object(maps, regions(), PREDICTED)
    for row, map_ in enumerate(maps):
        expected = naive(map_)
        assert {name: found[name][row] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert np.isnan(found["energy_mask"]).all()
    assert list(found) == list(OBJECT_METRICS)


def test_pointing_has_a_tolerance_of_15_of_224_pixels_or_none() -> None:
    maps = np.zeros((3, HEIGHT, WIDTH))
    for map_, column in zip(maps, (6, 7, 9), strict=True):  # the box ends at 7; 15 / 224 of 12 pixels are 0.8
        map_[3, column] = 1
    found = localise_object(maps, regions(), PREDICTED)
    assert found["pointing_strict"].tolist() == [1, 0, 0]
    assert found["pointing"].tolist() == [1, 0, 0]
    wide = np.zeros((1, 448, 448))
    wide[0, 100, 125] = 1
    region = box_masks(np.array([[50.0, 50, 100, 150]]), 448, 448)[0]
    nothing = np.zeros_like(region)
    found = localise_object(wide, Regions(region, None, nothing, nothing, nothing), PREDICTED)
    assert (found["pointing"].tolist(), found["pointing_strict"].tolist()) == ([1], [0])


def test_a_map_of_zeros_is_a_miss_and_has_no_discrimination_index() -> None:
    found = localise_object(np.zeros((1, HEIGHT, WIDTH)), regions(), PREDICTED)
    assert [found[name][0] for name in ("precision", "energy_box", "pointing", "iou", "energy_predicted")] == [0] * 5
    assert np.isnan([found[name][0] for name in ("odi", "compactness", "offset_x")]).all()


def test_without_an_annotated_object_only_the_predicted_box_counts() -> None:
    found = localise_object(np.ones((2, HEIGHT, WIDTH)), None, PREDICTED)
    assert found.pop("energy_predicted").tolist() == pytest.approx([7 * 6 / (HEIGHT * WIDTH)] * 2)
    assert np.isnan(list(found.values())).all()


def test_an_object_alone_has_no_others() -> None:
    alone = objects([[2, 2, 7, 8]], [0], [False])
    own = regions_of(alone, box_masks(alone.boxes, HEIGHT, WIDTH), None, 0)
    found = localise_object(np.ones((1, HEIGHT, WIDTH)), own, PREDICTED)
    assert np.isnan([found[name][0] for name in ("energy_same", "energy_other", "odi")]).all()


def test_masks_take_the_place_of_boxes_on_other_objects() -> None:
    masks = box_masks(SCENE.boxes, HEIGHT, WIDTH)
    masks[:, ::2] = False
    found = regions_of(SCENE, box_masks(SCENE.boxes, HEIGHT, WIDTH), masks, 0)
    assert (found.own == masks[0]).all()
    assert (found.same == masks[1] & ~masks[0] & ~masks[3]).all()
    assert (found.other == masks[2] & ~masks[0] & ~masks[1] & ~masks[3]).all()
    assert (found.crowd == masks[3] & ~masks[0]).all()


@given(st.lists(st.floats(0, 11), min_size=4, max_size=4))
def test_a_box_holds_the_pixels_whose_centres_it_holds_and_at_least_one(edges: list[float]) -> None:
    x, y = sorted(edges[:2]), sorted(edges[2:])
    box = np.array([x[0], y[0], x[1], y[1]])
    (mask,) = box_masks(box[None], HEIGHT, WIDTH)
    expected = np.array([[inside(box, row, column) for column in range(WIDTH)] for row in range(HEIGHT)])
    if expected.any():
        assert (mask == expected).all()
    else:
        rows, columns = np.nonzero(mask)
        assert mask.sum() >= 1
        assert rows.min() <= (y[0] + y[1]) / 2 <= rows.max() + 1
        assert columns.min() <= (x[0] + x[1]) / 2 <= columns.max() + 1


def test_chance_maps_know_the_middle_or_the_predicted_box() -> None:
    made = chance_maps(HEIGHT, WIDTH, PREDICTED)
    assert made["uniform"].tolist() == np.ones((HEIGHT, WIDTH)).tolist()
    assert (made["predicted-box"] == box_masks(PREDICTED[None], HEIGHT, WIDTH)[0]).all()
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    expected = np.exp(-(((columns - 4.5) / (0.25 * 7)) ** 2 + ((rows - 6) / (0.25 * 6)) ** 2) / 2)
    np.testing.assert_allclose(made["predicted-gaussian"], expected, rtol=1e-12)
