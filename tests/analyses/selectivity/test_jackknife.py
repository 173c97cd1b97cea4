"""The mean without its bias: hand-computed values, what must hold for all, planted truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.analyses.selectivity.jackknife import corrected_blocks, mean_of_halves, pseudo_values
from autola_analysis.analyses.selectivity.observer import ClassSums
from autola_analysis.analyses.selectivity.summary import LayerSelectivity, summarise
from autola_analysis.analyses.selectivity_index import mean_selectivity
from autola_analysis.statistics.intervals import sum_interval

MARGIN = 0.02
TRUE_MEANS = np.random.default_rng(9).gamma(10, 0.1, size=(10, 256))


def drawn(seed: int, folds: int = 10, scale: float = 1.0) -> ClassSums:
    """Return sums of five images per fold and class, of three classes and four units."""
    generator = np.random.default_rng(seed)
    sums = scale * generator.gamma(5, size=(folds, 3, 4))
    return ClassSums(sums, np.full((folds, 3), 5), np.empty((0, 3, 4)))


def noisy(noise: float) -> LayerSelectivity:
    """Return what 50 images of each of ten classes show of one layer of 256 units, under more or less noise."""
    factors = np.random.default_rng(0).gamma(5 / noise**2, noise**2 / 5, size=(10, *TRUE_MEANS.shape))
    return summarise(ClassSums(5 * TRUE_MEANS * factors, np.full((10, 10), 5), np.empty((0, *TRUE_MEANS.shape))))


def test_pseudo_values_and_their_stretch_by_hand() -> None:
    fold_means = np.array([0.5, 0.55, 0.65, 0.7])
    np.testing.assert_allclose(pseudo_values(0.5, fold_means), [0.5, 0.35, 0.05, -0.1])  # 4 x 0.5 - 3 theta_f
    # Their mean is 0.2 and their squared standard error 0.225 / 12 = 0.01875. In every halving the plain means differ
    # by 0.1 and the corrected ones by 0.5: a quarter of 0.25 - 0.01 is added, 0.06, and sqrt(0.07875 / 0.01875) = 2.05.
    halves = np.tile([[0.4, 0.7], [0.3, 0.2]], (5, 1, 1))
    expected = 0.2 + np.sqrt(4.2) * np.array([0.3, 0.15, -0.15, -0.3])
    np.testing.assert_allclose(corrected_blocks(0.5, fold_means, halves), expected)


@given(
    st.floats(0, 1),
    st.lists(st.floats(0, 1), min_size=4, max_size=12),
    st.lists(st.floats(-1, 1), min_size=20, max_size=20),
)
def test_blocks_average_to_the_corrected_mean_and_never_spread_less_than_pseudo_values(
    mean: float, fold_means: list[float], halves: list[float]
) -> None:
    means = np.array(fold_means)
    blocks = corrected_blocks(mean, means, np.reshape(halves, (5, 2, 2)))
    assert blocks.mean() == pytest.approx(len(means) * mean - (len(means) - 1) * means.mean(), abs=1e-9)
    assert blocks.std() >= pseudo_values(mean, means).std() - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_scale_of_activity_changes_nothing(seed: int) -> None:
    one, other = summarise(drawn(seed)), summarise(drawn(seed, scale=1024.0))
    assert (one.mean_corrected, one.interval) == (other.mean_corrected, other.interval)
    np.testing.assert_array_equal(one.half_means, other.half_means)


def test_too_few_folds_have_a_corrected_mean_without_an_interval() -> None:
    three = summarise(drawn(0, folds=3))
    assert three.mean_corrected == pytest.approx(3 * three.mean - 2 * three.fold_means.mean())
    assert three.half_means.shape == (0, 2, 2)
    assert np.isnan(three.interval).all()
    assert corrected_blocks(three.mean, three.fold_means, three.half_means) == pytest.approx([three.mean_corrected])
    one = summarise(drawn(0, folds=1))
    assert np.isnan([one.mean_corrected, *one.interval, *one.preferred_stability]).all()
    assert one.fold_means.shape == (0,)


def test_halves_hold_all_folds_once() -> None:
    layer = drawn(1, folds=4)
    means = mean_of_halves(layer)
    order = np.random.default_rng(4).permutation(4)
    for half, folds in enumerate((order[:2], order[2:])):
        part = summarise(ClassSums(layer.sums[folds], layer.counts[folds], layer.null_sums))
        assert means[0, half] == pytest.approx([part.mean, part.mean_corrected])
    assert means.shape == (5, 2, 2)


def test_variants_of_one_selectivity_and_different_noise_are_equivalent_after_the_correction_and_not_before() -> None:
    quiet, loud = noisy(0.2), noisy(1.2)
    assert loud.mean - quiet.mean > MARGIN
    blocks = [corrected_blocks(each.mean, each.fold_means, each.half_means) for each in (loud, quiet)]
    low, high = sum_interval([blocks[0][None], -blocks[1][None]], folds=True)
    assert -MARGIN < low < high < MARGIN
    truth = mean_selectivity(TRUE_MEANS)
    assert loud.interval[0] < truth < loud.interval[1]
    assert loud.mean > loud.interval[1]


def test_half_of_the_bias_of_units_that_answer_all_classes_alike_stays() -> None:
    generator = np.random.default_rng(0)
    sums = 1000 + generator.normal(size=(10, 10, 5000))
    alike = summarise(ClassSums(sums, np.full((10, 10), 1000), np.empty((0, 10, 5000))))
    assert alike.mean_corrected / alike.mean == pytest.approx(10 - 9 * np.sqrt(10 / 9), abs=0.02)
