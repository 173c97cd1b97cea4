"""The difference that so many runs would find: by the noncentral t, and by simulation where variances are estimated."""

import math

import numpy as np
import pytest
from scipy import stats

from autola_analysis.statistics.intervals import Component, half_width, sum_interval, together, variance_components
from autola_analysis.statistics.power import detectable_difference


@pytest.mark.parametrize("degrees", [4.0, 9.0, 99.0])
def test_with_one_component_it_is_that_of_the_noncentral_t(degrees: float) -> None:
    excess = detectable_difference([Component(0.25, degrees)], margin=0.1) - 0.1
    power = stats.nct.sf(stats.t.ppf(0.975, degrees), degrees, excess / 0.5)
    assert power == pytest.approx(0.8, abs=0.003)  # by 16 quantiles of the variance


def test_with_a_known_variance_it_is_the_textbooks() -> None:
    expected = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert detectable_difference([Component(1.0, 1e7)]) == pytest.approx(expected, rel=1e-4)


def test_three_runs_against_three_detect_it_in_80_of_100_studies() -> None:
    spread, studies, generator = np.array([1.0, 0.4]), 2000, np.random.default_rng(0)
    true = [together([Component(s**2 / 3, 2) for s in spread])]
    difference, margin = detectable_difference(true, margin=0.5), 0.5
    found = 0
    for _ in range(studies):
        ours, theirs = (s * generator.normal(size=(3, 1)) + np.zeros(2) for s in spread)
        low, _ = sum_interval([ours + difference, -theirs])
        found += low > margin
    assert stats.binomtest(found, studies).proportion_ci(0.99).low < 0.8
    assert stats.binomtest(found, studies).proportion_ci(0.99).high > 0.8


def test_it_grows_with_the_margin_and_shrinks_with_runs() -> None:
    generator = np.random.default_rng(1)
    few, many = (variance_components([generator.normal(size=(n, 30)), generator.normal(size=(n, 30))]) for n in (3, 30))
    assert detectable_difference(few, 0.2) == pytest.approx(detectable_difference(few) + 0.2)
    assert detectable_difference(many) < detectable_difference(few)


def test_without_variation_or_images_there_is_none() -> None:
    assert math.isnan(detectable_difference([]))
    assert math.isnan(detectable_difference([Component(0.0, 4)]))
    assert variance_components([np.ones((3, 1))]) == []


def test_components_of_many_estimates_are_those_of_each() -> None:
    errors = np.array([0.1, 0.0, 2.0])
    both = together([Component(errors, 2), Component(errors[::-1], 5)])
    for place, (first, second) in enumerate(zip(errors, errors[::-1], strict=True)):
        alone = together([Component(first, 2), Component(second, 5)])
        assert np.broadcast_to(both.degrees, 3)[place] == pytest.approx(float(alone.degrees))
        assert half_width([both])[place] == pytest.approx(float(half_width([alone])))
    assert together([Component(0.0, 2), Component(0.0, 5)]).degrees == 2
