"""Intervals of numbers that are no means over images: against those of means, and by simulation."""

import numpy as np
import pytest

from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import Detections, average_precisions, match_class
from autola_analysis.statistics.intervals import Component, runs_and_images_interval
from autola_analysis.statistics.power import detectable_difference
from autola_analysis.statistics.resampled import Resampled, ResampledStatistic, image_weights, resampled_interval

DRAWS = 4000


def mean_of(values: np.ndarray, weights: np.ndarray) -> Resampled:
    """A mean over images, whose interval is known: values ``(runs, images)``."""
    return Resampled(values.mean(1), values @ weights.T / weights.sum(1), values.shape[1])


def runs(count: int, seed: int, images: int = 40) -> np.ndarray:
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=images)
    return shared + generator.normal(0, 0.3, (count, 1)) + generator.normal(0, 0.5, (count, images))


def test_images_are_drawn_again_as_often_as_there_are_images_and_the_same_for_all() -> None:
    weights = image_weights(7, seed=3, resamples=50)
    assert weights.shape == (50, 7)
    assert (weights.sum(1) == 7).all()
    np.testing.assert_allclose(image_weights(7, resamples=4000).mean(0), 1, atol=0.1)
    np.testing.assert_array_equal(weights, image_weights(7, seed=3, resamples=50))
    assert (weights != image_weights(7, seed=4, resamples=50)).any()


def test_the_interval_of_a_mean_is_that_of_the_bootstrap() -> None:
    values = runs(1, 0)
    low, high = resampled_interval([mean_of(values, image_weights(40, 0, DRAWS))])
    error = values.std() / 40**0.5  # what drawing again varies by, exactly
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.1 * error)
    assert high - low == pytest.approx(2 * 2.0227 * error, rel=0.05)


@pytest.mark.parametrize(("ours", "theirs"), [(3, 3), (4, 6)])
def test_over_runs_and_images_it_is_that_of_components_of_variance(ours: int, theirs: int) -> None:
    weights = image_weights(40, 0, DRAWS)
    terms = [runs(ours, 1), -runs(theirs, 2)]
    found = resampled_interval([mean_of(term, weights) for term in terms])
    assert found == pytest.approx(runs_and_images_interval(terms), rel=0.05)


def test_an_upward_bias_over_the_draws_is_taken_off() -> None:
    draws = np.array([[0.4, 0.6]])  # mean 0.5
    low, high = resampled_interval([Resampled(np.array([0.3]), draws, 100)])
    assert (low + high) / 2 == pytest.approx(2 * 0.3 - 0.5)


def test_what_all_networks_find_hard_cancels_from_a_difference() -> None:
    values, weights = runs(1, 5), image_weights(40, 0)
    ours, theirs = mean_of(values + 0.25, weights), mean_of(values, weights)
    statistic = ResampledStatistic("evaluate", "", "ap", {"a": ours, "b": theirs})
    difference = statistic.differences("a", "b")["ap"]
    assert (difference.value, *difference.interval) == pytest.approx((0.25, 0.25, 0.25))
    assert (difference.runs, difference.scope) == ("1 v 1", "checkpoints")
    assert list(statistic.restricted({"b"}).numbers) == ["b"]


def test_a_difference_at_a_higher_confidence_is_wider_around_the_same_centre() -> None:
    weights = image_weights(40, 0)
    numbers = {"a": mean_of(runs(1, 1), weights), "b": mean_of(runs(1, 2), weights)}
    statistic = ResampledStatistic("evaluate", "", "ap", numbers)
    low, high = statistic.difference("a", "b").interval
    wide_low, wide_high = statistic.difference("a", "b", confidence=0.99).interval
    assert (wide_low + wide_high) / 2 == pytest.approx((low + high) / 2)
    assert (wide_high - wide_low) / (high - low) == pytest.approx(2.7079 / 2.0227, rel=1e-4)  # Student's t, 39 degrees


def test_the_detectable_difference_is_that_of_the_draws_of_the_difference() -> None:
    weights = image_weights(40, 0)
    ours, theirs = mean_of(runs(1, 1), weights), mean_of(runs(1, 2), weights)
    statistic = ResampledStatistic("evaluate", "", "ap", {"a": ours, "b": theirs})
    of_images = Component((ours.resamples - theirs.resamples).var(ddof=1), 39)
    assert statistic.detectable("a", "b", 0.01) == pytest.approx(detectable_difference([of_images], 0.01))
    missing = ResampledStatistic("evaluate", "", "ap", {"a": ours, "b": Resampled(np.array([np.nan]), weights, 40)})
    assert np.isnan(missing.detectable("a", "b", 0.01))


@pytest.mark.parametrize(
    "number",
    [
        Resampled(np.array([np.nan]), np.zeros((1, 9)), 5),
        Resampled(np.array([0.5]), np.full((1, 9), np.nan), 5),
        Resampled(np.array([0.5]), np.zeros((1, 9)), 1),
        Resampled(np.empty(0), np.empty((0, 9)), 5),
    ],
)
def test_without_values_there_is_no_interval(number: Resampled) -> None:
    assert np.isnan(resampled_interval([number])).all()


def simulated(generator: np.random.Generator, images: int) -> tuple[list[Detections], list[Objects]]:
    """Images with one to three objects that are found with an IoU that varies, and wrong detections."""
    detections, objects = [], []
    for _ in range(images):
        count, wrong = int(generator.integers(1, 4)), int(generator.poisson(1))
        corners = np.stack([100.0 * np.arange(count), np.zeros(count)], 1)
        boxes = np.concatenate([corners, corners + 50], 1)
        objects.append(
            Objects(boxes, np.zeros(count, np.int64), np.full(count, 2500.0), np.zeros(count, bool), np.arange(count))
        )
        shift = np.abs(generator.normal(0, 10, count))[:, None] * [1, 0, 1, 0]
        every = np.concatenate([boxes + shift, np.full((wrong, 4), [0.0, 900, 50, 950])])
        scores = np.concatenate([generator.normal(1, 1, count), generator.normal(0, 1, wrong)])
        detections.append(Detections(every, np.zeros(len(every), np.int64), scores))
    return detections, objects


def test_the_interval_of_average_precision_covers_the_truth() -> None:
    """40 simulated evaluations of 60 images: 34 of 40 at least; a coverage of 0.95 gives fewer in 3 of 1,000."""
    generator = np.random.default_rng(0)
    truth = average_precisions(match_class(*simulated(generator, 6000), 0)).mean()
    covered = 0
    for study in range(40):
        matches = match_class(*simulated(generator, 60), 0)
        draws = [average_precisions(matches, row.astype(float)).mean() for row in image_weights(60, study, 100)]
        number = Resampled(np.array([average_precisions(matches).mean()]), np.array([draws]), 60)
        low, high = resampled_interval([number])
        covered += low <= truth <= high
    assert covered >= 34
