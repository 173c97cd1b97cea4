import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autola_analysis.analyses.selectivity_index import class_means, selectivity_index
from autola_analysis.core.errors import DataError

MEANS = hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(1, 5)), elements=st.floats(0, 1e6))


def test_hand_computed_values() -> None:
    means = np.array([[3.0, 1.0, 0.0, 2.0], [1.0, 1.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0]])
    index = selectivity_index(means)
    np.testing.assert_allclose(index.values, [(3 - 1.5) / (3 + 1.5), 0, np.nan, 1])
    assert index.preferred.tolist() == [0, 0, -1, 0]
    np.testing.assert_allclose(index.mean_preferred, [3, 1, 0, 2])
    np.testing.assert_allclose(index.mean_rest, [1.5, 1, 0, 0])
    assert index.dead.tolist() == [False, False, True, False]


def test_classes_without_images_are_left_out_and_keep_their_numbers() -> None:
    means = class_means(np.array([[9.0], [0.0], [2.0]]), np.array([9, 0, 1]))
    assert np.isnan(means[1, 0])
    index = selectivity_index(means)
    np.testing.assert_allclose(index.values, [(2 - 1) / (2 + 1)])
    assert index.preferred.tolist() == [2]


def test_fewer_than_two_classes_have_no_selectivity() -> None:
    with pytest.raises(DataError, match="at least two; found 1"):
        selectivity_index(class_means(np.array([[1.0], [0.0]]), np.array([3, 0])))


@given(MEANS)
def test_the_index_lies_between_0_and_1_or_the_unit_is_dead(means: np.ndarray) -> None:
    index = selectivity_index(means)
    alive = index.values[~index.dead]
    assert ((alive >= -1e-12) & (alive <= 1 + 1e-12)).all()
    assert np.isnan(index.values[index.dead]).all()
    assert (means[:, index.dead] == 0).all()


@given(MEANS, st.floats(1e-3, 1e3))
def test_the_index_does_not_depend_on_the_scale_of_a_unit(means: np.ndarray, scale: float) -> None:
    means = np.where(means < 1e-3, 0, means)
    np.testing.assert_allclose(selectivity_index(means * scale).values, selectivity_index(means).values, atol=1e-9)


@given(MEANS, st.randoms(use_true_random=False))
def test_permuting_the_classes_only_renames_the_preferred_one(means: np.ndarray, random: object) -> None:
    order = np.array(random.sample(range(len(means)), len(means)))
    index, permuted = selectivity_index(means), selectivity_index(means[order])
    np.testing.assert_allclose(permuted.values, index.values, atol=1e-12)
    assert permuted.dead.tolist() == index.dead.tolist()
    for unit in np.flatnonzero(~index.dead):
        assert means[order[permuted.preferred[unit]], unit] == means[index.preferred[unit], unit]
