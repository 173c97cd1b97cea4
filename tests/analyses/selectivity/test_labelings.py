import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.analyses.selectivity.labelings import image_folds, permuted_labels, usable_folds

LABELS = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(lambda values: np.array(values, dtype=np.int64))


@given(LABELS, st.integers(0, 3), st.integers(0, 99))
def test_permutations_keep_the_number_of_images_of_each_class(labels: np.ndarray, count: int, seed: int) -> None:
    permuted = permuted_labels(labels, count, seed)
    assert permuted.shape == (count, len(labels))
    for row in permuted:
        assert sorted(row) == sorted(labels)
    np.testing.assert_array_equal(permuted, permuted_labels(labels, count, seed))


def test_permutations_reach_across_a_class_sorted_run() -> None:
    labels = np.repeat(np.arange(10), 100)
    (permuted,) = permuted_labels(labels, 1, seed=0)
    assert (permuted[:100] == 0).mean() < 0.3


@given(LABELS, st.integers(2, 10), st.integers(0, 99))
def test_folds_split_every_class_evenly(labels: np.ndarray, folds: int, seed: int) -> None:
    assigned = image_folds(labels, folds, seed)
    for label in np.unique(labels):
        sizes = np.bincount(assigned[labels == label], minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_no_fold_may_hold_all_images_of_a_class() -> None:
    assert usable_folds(np.repeat([0, 1], [50, 30]), 10) == 10
    assert usable_folds(np.repeat([0, 1], [50, 3]), 10) == 3
    assert usable_folds(np.repeat([0, 1], [50, 1]), 10) == 0
    assert usable_folds(np.repeat([0, 1], [50, 30]), 1) == 0
