import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from autola_analysis.analyses.saliency.sanity.correlations import (
    between_images,
    crossed_interval,
    mean_of,
    pairs_interval,
    rank_correlations,
    unit_ranks,
)
from autola_analysis.statistics.intervals import runs_and_images_interval


def test_rank_correlations_are_spearmans() -> None:
    first, second = torch.rand(4, 6, 6), torch.rand(4, 6, 6)
    second[1] = first[1] * 2
    second[2] = 0
    first[3] = (first[3] * 4).round()  # ties
    found = rank_correlations(first, second)
    expected = [stats.spearmanr(first[i].flatten(), second[i].flatten()).statistic for i in (0, 1, 3)]
    np.testing.assert_allclose(found[[0, 1, 3]], expected)
    assert np.isnan(found[2])


def test_a_map_that_says_nothing_has_no_ranks() -> None:
    maps = torch.rand(5, 6, 6)
    maps[0] = 0
    maps[1, 2, 3] = torch.nan
    maps[2, 2, 3] = torch.inf
    maps[3] = 1 + 1e-7 * torch.rand(6, 6)  # what upsampling leaves of one value by rounding
    assert np.isnan(unit_ranks(maps)).all(1).tolist() == [True, True, True, True, False]
    assert np.isnan(unit_ranks(-1 - maps[4:])).all()  # nothing speaks for the class


def test_maps_of_other_images_are_compared_pair_by_pair() -> None:
    maps = torch.rand(5, 6, 6)
    maps[2] = 0
    found = between_images(unit_ranks(maps))
    for i in (0, 1, 3, 4):
        others = [stats.spearmanr(maps[i].flatten(), maps[j].flatten()).statistic for j in (0, 1, 3, 4) if j != i]
        assert found[i] == pytest.approx(np.mean(others))
    assert np.isnan(found[2])
    assert np.isnan(between_images(unit_ranks(maps[1:3]))).all()  # a single map has no other


matrices = st.tuples(st.integers(1, 6), st.integers(2, 12), st.integers(0, 999)).map(
    lambda drawn: np.random.default_rng(drawn[2]).normal(0.2, 0.1, drawn[:2])
)


@given(matrices.filter(lambda values: len(values) >= 3))
def test_without_gaps_the_interval_is_that_of_runs_and_images(values: np.ndarray) -> None:
    expected = np.clip(runs_and_images_interval([values]), -1, 1)
    np.testing.assert_allclose(crossed_interval(values), expected, rtol=1e-9)


@given(matrices)
def test_below_three_rows_the_interval_is_students_over_images(values: np.ndarray) -> None:
    values = values[:2]
    means = values.mean(0)
    expected = stats.t.interval(0.95, len(means) - 1, means.mean(), stats.sem(means))
    np.testing.assert_allclose(crossed_interval(values), np.clip(expected, -1, 1), rtol=1e-9)


def test_the_interval_of_a_matrix_with_gaps_equals_a_naive_computation() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(0.3, 0.1, (5, 9)) + generator.normal(0, 0.1, 9)
    values[generator.random(values.shape) < 0.3] = np.nan
    values = np.hstack([values, np.full((5, 1), np.nan)])  # an image without any is as if it were not there
    cells = [(r, c) for r in range(5) for c in range(9) if not np.isnan(values[r, c])]
    mean = np.mean([values[cell] for cell in cells])
    of_rows = [sum(values[r, c] - mean for r, c in cells if r == row) for row in range(5)]
    of_columns = [sum(values[r, c] - mean for r, c in cells if c == column) for column in range(9)]
    design = np.array([[float(r == i) for i in range(5)] + [float(c == i) for i in range(9)] for r, c in cells])
    y = np.array([values[cell] for cell in cells])
    residuals = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    n = len(cells)
    noise = (residuals**2).sum() / (n - 13) / n
    rows = 5 / 4 * sum(each**2 for each in of_rows) / n**2
    columns = 9 / 8 * sum(each**2 for each in of_columns) / n**2
    half = np.sqrt(stats.t.ppf(0.975, 4) ** 2 * rows + stats.t.ppf(0.975, 8) ** 2 * max(columns - noise, 0))
    assert columns > noise
    assert mean_of(values) == pytest.approx(mean)
    np.testing.assert_allclose(crossed_interval(values), [mean - half, mean + half])


@pytest.mark.parametrize("values", [np.full((5, 4), np.nan), np.array([[0.1, np.nan]] * 5), np.empty((0, 4))])
def test_fewer_than_two_images_have_no_interval(values: np.ndarray) -> None:
    assert np.isnan(crossed_interval(values)).all()


def test_rows_that_share_no_image_have_an_interval() -> None:
    values = np.full((3, 6), np.nan)
    for row in range(3):
        values[row, 2 * row : 2 * row + 2] = [0.1 * row, 0.1 * row + 0.2]
    low, high = crossed_interval(values)
    assert low < 0.2 < high
    assert np.isfinite([low, high]).all()


def test_the_interval_over_pairs_is_a_jackknife_that_leaves_out_images() -> None:
    ranks = unit_ranks(torch.rand(7, 4, 4))
    ranks[3] = np.nan
    values = between_images(ranks)
    ours = ranks[~np.isnan(ranks).any(1)]

    def over_pairs(chosen: list[int]) -> float:
        return float(np.mean([ours[i] @ ours[j] for i in chosen for j in chosen if i != j]))

    whole = over_pairs(list(range(6)))
    pseudo = [6 * whole - 5 * over_pairs([i for i in range(6) if i != left_out]) for left_out in range(6)]
    expected = stats.t.interval(0.95, 5, whole, stats.sem(pseudo))
    np.testing.assert_allclose(pairs_interval(values), expected)
    assert np.isnan(pairs_interval(values[:2])).all()
