"""Means, intervals and verdicts as a reader would compute them from the definitions, in plain loops."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

Interval = tuple[float, float]


def half_of_runs_and_images(terms: Sequence[np.ndarray], confidence: float) -> float:
    """Half the width of an interval over three runs or more, and the images that all of them saw."""
    places = 0.5 + confidence / 2
    errors, degrees, noise = [], [], 0.0
    for term in terms:
        runs, images = term.shape
        run_means = [float(np.mean(row)) for row in term]
        image_means = [float(np.mean(column)) for column in term.T]
        grand = float(np.mean(term))
        errors.append(sum((mean - grand) ** 2 for mean in run_means) / (runs - 1) / runs)
        degrees.append(runs - 1)
        squares = sum(
            (term[run, image] - run_means[run] - image_means[image] + grand) ** 2
            for run in range(runs)
            for image in range(images)
        )
        noise += squares / (runs - 1) / (images - 1) / (runs * images)
    spread = sum(error**2 / freedom for error, freedom in zip(errors, degrees, strict=True))
    welch = sum(errors) ** 2 / spread if spread else 1.0  # runs that do not differ add nothing, whatever the quantile
    together = sum(term.mean(axis=0) for term in terms)
    images = len(together)
    of_images = max(float(np.var(together, ddof=1)) / images - noise, 0.0)
    squared = stats.t.ppf(places, welch) ** 2 * sum(errors) + stats.t.ppf(places, images - 1) ** 2 * of_images
    return math.sqrt(squared)


def interval_around(terms: Sequence[np.ndarray], confidence: float = 0.95) -> Interval:
    """Return the interval of a sum of means over three runs or more."""
    centre, half = sum(float(term.mean()) for term in terms), half_of_runs_and_images(terms, confidence)
    return centre - half, centre + half


def verdict(intervals: Sequence[Interval], strict: Sequence[Interval], direction: int, margin: float) -> str:
    """Decide a claim by the rule of the page."""
    beyond = {1: lambda low, high: low > margin, -1: lambda low, high: high < -margin}
    opposed = [sign for sign in (1, -1) if sign != direction]
    if any(beyond[sign](*interval) for interval in strict for sign in opposed):
        return "contradicted"
    if direction and all(beyond[direction](*interval) for interval in intervals):
        return "supported"
    return "equivalent" if all(-margin <= low and high <= margin for low, high in intervals) else "undecided"
