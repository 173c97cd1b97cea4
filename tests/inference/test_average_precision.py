"""Average precision: numbers by hand, and weights of images against images that are there more than once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import Detections, average_precisions, match_class


def objects(boxes: list[list[float]], crowd: list[bool] | None = None, areas: list[float] | None = None) -> Objects:
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    count = len(corners)
    own = (corners[:, 2:] - corners[:, :2]).prod(1) if areas is None else np.array(areas)
    return Objects(
        corners,
        np.zeros(count, dtype=np.int64),
        own,
        np.array(crowd or [False] * count, dtype=np.bool_),
        np.arange(count),
    )


def found(boxes: list[list[float]], scores: list[float]) -> Detections:
    return Detections(np.array(boxes, float).reshape(-1, 4), np.zeros(len(boxes), dtype=np.int64), np.array(scores))


SQUARE, FAR = [0.0, 0, 10, 10], [50.0, 50, 60, 60]


def test_perfect_detections_have_an_average_precision_of_one() -> None:
    matches = match_class([found([SQUARE], [0.9])] * 2, [objects([SQUARE])] * 2, 0)
    np.testing.assert_allclose(average_precisions(matches), 1)


def test_a_stronger_false_detection_halves_it_up_to_the_recall_that_is_reached() -> None:
    """By score: wrong, right; of two objects one is found: precision 1/2 at the 51 recalls up to 0.5."""
    matches = match_class([found([FAR, SQUARE], [0.9, 0.8])], [objects([SQUARE, [20, 20, 30, 30]])], 0)
    np.testing.assert_allclose(average_precisions(matches), 51 / 101 / 2)


def test_an_object_is_found_once_and_by_the_thresholds_that_its_overlap_reaches() -> None:
    """IoU 0.8: right at 0.5 to 0.8; a second detection of the same object is wrong."""
    matches = match_class([found([[0, 0, 10, 8], SQUARE], [0.9, 0.8])], [objects([SQUARE])], 0)
    assert matches.right[:, 0].tolist() == [True] * 7 + [False] * 3
    assert matches.right[:, 1].tolist() == [False] * 7 + [True] * 3
    np.testing.assert_allclose(average_precisions(matches), [1] * 7 + [0.5] * 3)


def test_crowds_are_ignored_and_take_any_number_of_detections() -> None:
    inside = [[1.0, 1, 3, 3], [4.0, 4, 6, 6], SQUARE]
    matches = match_class([found(inside, [0.9, 0.8, 0.7])], [objects([[0, 0, 40, 40], SQUARE], [True, False])], 0)
    assert not matches.wrong.any()
    assert matches.right.tolist() == [[False, False, True]] * 10
    np.testing.assert_allclose(average_precisions(matches), 1)


def test_objects_of_another_size_are_ignored_and_so_are_detections_of_another_size() -> None:
    matches = match_class(
        [found([SQUARE, FAR, [0, 0, 50, 50]], [0.9, 0.8, 0.7])], [objects([SQUARE, [0, 0, 50, 50]])], 0, (1000, 1e5)
    )
    assert not matches.wrong.any()
    assert matches.objects.tolist() == [1]
    np.testing.assert_allclose(average_precisions(matches), 1)


def test_without_objects_there_is_no_precision_and_without_detections_it_is_zero() -> None:
    assert np.isnan(average_precisions(match_class([found([FAR], [0.5])], [objects([])], 0))).all()
    assert not average_precisions(match_class([found([], [])], [objects([SQUARE])], 0)).any()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_weights_of_images_are_images_that_are_there_more_than_once(seed: int, weights: list[int]) -> None:
    generator = np.random.default_rng(seed)
    wanted, detected = [], []
    for _ in range(5):
        corners = generator.uniform(0, 60, (4, 2))
        boxes = np.concatenate([corners, corners + generator.uniform(10, 30, (4, 2))], 1)
        wanted.append(objects(boxes[: generator.integers(0, 5)].tolist(), areas=None))
        detected.append(found((boxes + generator.normal(0, 2, (4, 4))).tolist(), generator.uniform(size=4).tolist()))
    repeated = [index for index, count in enumerate(weights) for _ in range(count)]
    weighted = average_precisions(match_class(detected, wanted, 0), np.array(weights, dtype=np.float64))
    if not sum(weights):
        assert np.isnan(weighted).all()
        return
    expected = average_precisions(match_class([detected[i] for i in repeated], [wanted[i] for i in repeated], 0))
    np.testing.assert_allclose(weighted, expected, atol=1e-12)


@pytest.mark.parametrize("factor", [0.1, 7.0])
def test_only_the_order_of_scores_matters(factor: float) -> None:
    one = match_class([found([FAR, SQUARE], [0.9, 0.8])], [objects([SQUARE])], 0)
    other = match_class([found([FAR, SQUARE], [0.9 * factor, 0.8 * factor])], [objects([SQUARE])], 0)
    np.testing.assert_array_equal(average_precisions(one), average_precisions(other))
