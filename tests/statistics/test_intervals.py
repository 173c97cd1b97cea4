"""Intervals hold what they promise: coverage over simulated studies, pairing, one run, few blocks."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from autola_analysis.statistics import intervals
from autola_analysis.statistics.intervals import (
    bootstrap_interval,
    mean_interval,
    runs_and_images_interval,
    sum_interval,
)
from benchmarks.simulations.means import NOMINAL, POPULATIONS, Population, covers
from benchmarks.simulations.simulation import Simulation, rates

STUDIES = 500


@pytest.mark.parametrize("name", POPULATIONS)
def test_a_difference_of_variants_is_covered_by_95_percent_intervals_in_92_to_98_of_100_studies(name: str) -> None:
    simulation = Simulation(name, {"difference": NOMINAL}, partial(covers, POPULATIONS[name]))
    assert rates(simulation, STUDIES, seed=1)["difference"].allows(*NOMINAL)


@pytest.mark.parametrize("name", ["runs differ most", "runs and noise alike", "nothing but noise", "five runs"])
def test_the_mean_of_one_variant_is_covered_too(name: str) -> None:
    generator = np.random.default_rng(2)
    intervals = [mean_interval(POPULATIONS[name].study(generator)[0]) for _ in range(STUDIES)]
    assert 0.92 * STUDIES <= sum(low <= 0 <= high for low, high in intervals) <= 0.98 * STUDIES


def test_the_bootstrap_covers_the_difference_of_two_checkpoints() -> None:
    population = Population((0, 0), number_of_runs=(1, 1))
    generator = np.random.default_rng(3)
    covered = 0
    for study in range(200):
        candidate, other = population.study(generator)
        low, high = sum_interval([candidate, -other], seed=study)
        covered += low <= 0 <= high
    assert 0.91 * 200 <= covered <= 0.98 * 200


def test_components_by_hand() -> None:
    """Run means, image means, and the noise once, written out as sums."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(3, 7)) + 3 * generator.normal(size=7), generator.normal(size=(4, 7))
    runs = [np.var(term.mean(1), ddof=1) / len(term) for term in (a, b)]
    noise = 0.0
    for term in (a, b):
        n, images = term.shape
        squares = 0.0
        for run in range(n):
            for image in range(images):
                squares += (term[run, image] - term[run].mean() - term[:, image].mean() + term.mean()) ** 2
        noise += squares / ((n - 1) * (images - 1)) / (n * images)
    image = np.var(a.mean(0) - b.mean(0), ddof=1) / 7 - noise
    assert image > 0
    freedom = sum(runs) ** 2 / (runs[0] ** 2 / 2 + runs[1] ** 2 / 3)
    half = np.sqrt(stats.t.ppf(0.975, freedom) ** 2 * sum(runs) + stats.t.ppf(0.975, 6) ** 2 * image)
    low, high = runs_and_images_interval([a, -b])
    assert (low, high) == pytest.approx((a.mean() - b.mean() - half, a.mean() - b.mean() + half))


def test_welchs_interval_is_what_remains_where_images_do_not_matter() -> None:
    a, b = np.array([[0.1], [0.5], [0.3]]) + np.zeros(20), np.array([[0.2], [0.3], [0.9], [0.4]]) + np.zeros(20)
    welch = stats.ttest_ind(a[:, 0], b[:, 0], equal_var=False).confidence_interval()
    assert sum_interval([a, -b]) == pytest.approx((welch.low, welch.high))


@pytest.mark.parametrize("runs", [1, 3])
def test_pairing_takes_out_what_all_networks_find_hard(runs: int) -> None:
    population = Population((0.05, 0.05), interaction=0.1, noise=0.1, images=3, number_of_runs=(runs, runs))
    candidate, other = population.study(np.random.default_rng(0))
    paired = np.ptp(sum_interval([candidate, -other]))
    unpaired = np.ptp(sum_interval([candidate, -other], paired=False))
    assert paired < unpaired / 4
    assert np.ptp(mean_interval(candidate)) > 2 * paired


def test_terms_that_share_no_images_may_have_different_numbers_of_them() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(1, 50)), generator.normal(size=(1, 80))
    low, high = sum_interval([a, -b], paired=False)
    half = np.sqrt(stats.t.ppf(0.975, 49) ** 2 * a.var(ddof=1) / 50 + stats.t.ppf(0.975, 79) ** 2 * b.var(ddof=1) / 80)
    assert (high - low) / 2 == pytest.approx(half)


def test_the_order_of_runs_and_images_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    a, b = Population((0.2, 0.2)).study(generator)
    images = generator.permutation(100)
    assert sum_interval([a[[2, 0, 1]][:, images], -b[:, images]]) == pytest.approx(sum_interval([a, -b]))
    one, moved = bootstrap_interval(a[0]), bootstrap_interval(a[0][images])
    assert one == pytest.approx(moved, abs=0.1 * np.ptp(one))


def test_two_runs_are_averaged_per_image_and_say_nothing_of_other_runs() -> None:
    runs = np.array([[0.0], [1.0], [2.0]]) + np.random.default_rng(0).normal(0, 0.01, (3, 50))
    assert np.ptp(mean_interval(runs)) > 1
    assert mean_interval(runs[:2]) == bootstrap_interval(runs[:2].mean(0))
    assert np.ptp(mean_interval(runs[:2])) < 0.01


def test_the_bootstrap_is_the_percentiles_of_means_drawn_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(200)
    monkeypatch.setattr(intervals, "DRAWN_AT_ONCE", 1500)  # seven resamples at once
    low, high = bootstrap_interval(values, seed=3)
    generator = np.random.default_rng([3, 3])
    means = [values[generator.integers(200, size=200)].mean() for _ in range(intervals.RESAMPLES)]
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), rel=1e-12)
    assert (low, high) != bootstrap_interval(values, seed=4)


def test_values_that_do_not_vary_have_an_interval_of_no_width() -> None:
    assert sum_interval([np.ones((3, 8)), -np.ones((3, 8))]) == (0, 0)
    assert bootstrap_interval(np.ones(8)) == (1, 1)


def test_there_is_no_interval_without_two_blocks_or_with_missing_values() -> None:
    for terms in ([np.ones((3, 1))], [np.full((3, 9), np.nan)], [np.ones((0, 9))], [np.ones((1, 9)), np.ones((1, 1))]):
        assert np.isnan(sum_interval(terms, paired=False)).all()
    assert np.isnan(bootstrap_interval(np.full(5, np.nan))).all()
    assert np.isnan(bootstrap_interval(np.ones(1))).all()
