"""95% intervals of means: over images, and over training runs and images together.

Values come as matrices ``(runs, blocks)``: a row per training run, a column per image (or per fold of images), the same
images in every row. Networks see the same images, so runs and images are crossed, and a mean over both varies for two
reasons: other runs, and other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
Number = float | FloatArray
Interval = tuple[float, float]

RUNS_FOR_MODULES = 3
"""From so many training runs of each variant on, intervals are over runs and images together."""
RESAMPLES = 2000
CONFIDENCE = 0.95
DRAWN_AT_ONCE = 2**21  # numbers of images held at once
NONE: Interval = (float("nan"), float("nan"))


def bootstrap_interval(values: FloatArray, seed: int = 0, confidence: float = CONFIDENCE) -> Interval:
    """Return the percentile interval of the mean over images drawn again with replacement, 2,000 times.

    Args:
        values: One per image, ``(N,)``.
        seed: Of the draws; the same images are drawn for all statistics of the same number of images.
        confidence: Share of intervals like this one that are to hold the truth.

    Returns:
        Lower and upper limit; NaN below two images, or where a value is NaN.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    images = len(values)
    if images < 2 or np.isnan(values).any():
        return NONE
    generator = np.random.default_rng([seed, 3])
    step = max(1, DRAWN_AT_ONCE // images)
    parts = [
        values[generator.integers(images, size=(min(step, RESAMPLES - start), images))].mean(axis=1)
        for start in range(0, RESAMPLES, step)
    ]
    low, high = np.quantile(np.concatenate(parts), [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def mean_interval(values: FloatArray, seed: int = 0) -> Interval:
    """Return the interval of the mean of ``(runs, images)``, as `sum_interval`."""
    return sum_interval([values], seed=seed)


def share_interval(values: FloatArray, seed: int = 0) -> Interval:
    """Return the interval of the mean of ``(runs, images)`` whose values are shares: `mean_interval` within [0, 1]."""
    low, high = np.clip(mean_interval(values, seed), 0, 1)
    return float(low), float(high)


def sum_interval(
    terms: Sequence[FloatArray],
    paired: bool = True,
    folds: bool = False,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return the interval of a sum of means; a difference is the sum of a matrix and the negative of another.

    Below three runs of a term the runs are taken as they are: averaged per image, bootstrap over images (Student's t
    over folds, and over images that the terms do not share). From three runs of every term on, over both: see
    `runs_and_images`.

    Args:
        terms: Matrices ``(runs, blocks)`` without NaN.
        paired: Whether the columns of all terms are the same images.
        folds: Whether the columns are folds of images rather than images.
        seed: Of the bootstrap.
        confidence: Share of intervals like this one that are to hold the truth.

    Returns:
        Lower and upper limit; NaN where a term has no run or fewer than two blocks.
    """
    components = variance_components(terms, paired)
    if not components:
        return NONE
    if paired and not folds and not _over_runs(terms):
        return bootstrap_interval(_per_block(terms, paired)[0], seed, confidence)
    return _around(terms, components, confidence)


def runs_and_images_interval(
    terms: Sequence[FloatArray], paired: bool = True, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of a sum of means over training runs and images together; see `runs_and_images`."""
    return _around(terms, runs_and_images(terms, paired), confidence)


@dataclass(frozen=True)
class Component:
    """What one source of variation adds to the variance of an estimate; with arrays, of many estimates.

    Attributes:
        error: Squared standard error.
        degrees: Degrees of freedom that it was estimated with.
        parts: Independent components that it is the sum of; none where it is no sum.
    """

    error: Number
    degrees: Number
    parts: tuple[Component, ...] = ()


def variance_components(terms: Sequence[FloatArray], paired: bool = True) -> list[Component]:
    """Return what the variance of a sum of means consists of: runs and images, or images alone below three runs.

    Args:
        terms: Matrices ``(runs, blocks)``.
        paired: Whether the columns of all terms are the same images.

    Returns:
        Independent components; none where a term has no run, fewer than two blocks, or NaN.
    """
    if any(not len(term) or term.shape[1] < 2 or np.isnan(term).any() for term in terms):
        return []
    if _over_runs(terms):
        return runs_and_images(terms, paired)
    return [Component(_error(each), len(each) - 1) for each in _per_block(terms, paired)]


def runs_and_images(terms: Sequence[FloatArray], paired: bool = True) -> list[Component]:
    """Return the variance of a sum of means over training runs and images together, by components.

    With y the value of a run r for an image i, ``y = mean + run_r + image_i + noise_ri``. The variance of the run means
    over n holds what runs contribute and the noise; the variance of the image means (of their difference, where terms
    share images, so that what all networks find hard cancels) over N holds what images contribute and the noise again.
    The noise is counted once: its mean square over n N is taken off the second, which does not go below zero. Each
    component keeps its own Student quantile, Welch's degrees of freedom for the runs of several terms and N - 1 for
    images, and the squares of the half widths add up::

        half^2 = t(runs)^2 * sum_terms s_run^2 / n  +  t(N - 1)^2 * max(s_image^2 / N - sum_terms noise / (n N), 0)

    Why this one: over simulated studies (three to ten runs, 10 to 100 images, sixteen ratios of the components, also
    right-or-wrong values; `benchmarks/COVERAGE.md`) it covered 94.9% to 97.4%. That holds for runs that vary normally
    and images whose effects add; one outlier among few runs widens the interval so far that little is decided. Drawing
    runs and images again (hierarchical percentile bootstrap) covered 79% to 99.8%: three runs drawn again vary by a
    third too little, know nothing of Student's t, and count the noise three times. Both variances added, with the noise
    in both, covered up to 99.2%. One Satterthwaite's t over all components was shorter but covered down to 91%: a
    variance of three runs that happens to be small raises the degrees of freedom too.

    References:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, on drawing crossed factors again.
        Welch, "The generalization of Student's problem", Biometrika 1947. Searle, Casella and McCulloch, "Variance
        Components", 1992, chapter 4. Zou and Donner, "Construction of confidence limits about effect measures: a
        general approach", Statistics in Medicine 2008, on adding the squares of half widths.
    """
    runs = [_error(term.mean(axis=1)) for term in terms]
    noise = [_noise(term) for term in terms]
    noises = [sum(noise)] if paired else noise
    blocks = _per_block(terms, paired)
    of_runs = [Component(error, len(term) - 1) for error, term in zip(runs, terms, strict=True)]
    of_images = [
        Component(max(_error(each) - its_noise, 0.0), len(each) - 1)
        for each, its_noise in zip(blocks, noises, strict=True)
    ]
    return [together(of_runs), *of_images]


def together(components: Sequence[Component]) -> Component:
    """Return the sum of components with the degrees of freedom of Welch and Satterthwaite."""
    error = sum(each.error for each in components)
    spread = sum(each.error**2 / each.degrees for each in components)
    fewest = min(each.degrees for each in components)
    degrees = np.where(np.greater(spread, 0), error**2 / np.where(np.greater(spread, 0), spread, 1), fewest)
    return Component(error, degrees, tuple(components))


def half_width(components: Sequence[Component], confidence: float = CONFIDENCE) -> FloatArray:
    """Return half the width of the interval of independent components, each with a Student quantile of its own."""
    squares = sum(special.stdtrit(each.degrees, 0.5 + confidence / 2) ** 2 * each.error for each in components)
    return np.asarray(np.sqrt(squares))


def _over_runs(terms: Sequence[FloatArray]) -> bool:
    return min(map(len, terms)) >= RUNS_FOR_MODULES


def _per_block(terms: Sequence[FloatArray], paired: bool) -> list[FloatArray]:
    """Return the means over runs per block: summed over terms that share their images, else one each."""
    means = [term.mean(axis=0) for term in terms]
    return [np.sum(means, axis=0)] if paired else means


def _error(values: FloatArray) -> float:
    """Return the squared standard error of the mean of independent values."""
    return float(values.var(ddof=1)) / len(values)


def _noise(values: FloatArray) -> float:
    """Return the squared standard error that the interaction of runs and images leaves in the mean of ``(n, N)``."""
    n, images = values.shape
    residuals = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float((residuals**2).sum()) / ((n - 1) * (images - 1)) / values.size


def _around(terms: Sequence[FloatArray], components: Sequence[Component], confidence: float) -> Interval:
    centre, half = float(sum(term.mean() for term in terms)), float(half_width(components, confidence))
    return centre - half, centre + half
