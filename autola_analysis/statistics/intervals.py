"""95% intervals of means: over images, and over training runs and images together.

Values come as matrices ``(runs, blocks)``: a row per training run, a column per image (or per fold of images), the same
images in every row. Networks see the same images, so runs and images are crossed, and a mean over both varies for two
reasons: other runs, and other images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
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
    `runs_and_images_interval`.

    Args:
        terms: Matrices ``(runs, blocks)`` without NaN.
        paired: Whether the columns of all terms are the same images.
        folds: Whether the columns are folds of images rather than images.
        seed: Of the bootstrap.
        confidence: Share of intervals like this one that are to hold the truth.

    Returns:
        Lower and upper limit; NaN where a term has no run or fewer than two blocks.
    """
    if any(not len(term) or term.shape[1] < 2 or np.isnan(term).any() for term in terms):
        return NONE
    if min(map(len, terms)) >= RUNS_FOR_MODULES:
        return runs_and_images_interval(terms, paired, confidence)
    blocks = _per_block(terms, paired)
    if paired and not folds:
        return bootstrap_interval(blocks[0], seed, confidence)
    return _around(terms, sum(_half_width(_error(each), len(each) - 1, confidence) for each in blocks))


def runs_and_images_interval(
    terms: Sequence[FloatArray], paired: bool = True, confidence: float = CONFIDENCE
) -> Interval:
    """Return the interval of a sum of means over training runs and images together, by components of variance.

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
    squares = _half_width(sum(runs), _welch(runs, [len(term) - 1 for term in terms]), confidence)
    for each, its_noise in zip(blocks, noises, strict=True):
        squares += _half_width(max(_error(each) - its_noise, 0.0), len(each) - 1, confidence)
    return _around(terms, squares)


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


def _welch(errors: Sequence[float], degrees: Sequence[int]) -> float:
    """Return the degrees of freedom of a sum of squared standard errors (Welch and Satterthwaite)."""
    each = sum(error**2 / freedom for error, freedom in zip(errors, degrees, strict=True))
    return sum(errors) ** 2 / each if each else float(min(degrees))


def _half_width(error: float, degrees: float, confidence: float) -> float:
    """Return the square of Student's half width for a squared standard error."""
    return float(special.stdtrit(degrees, 0.5 + confidence / 2)) ** 2 * error


def _around(terms: Sequence[FloatArray], squares: float) -> Interval:
    centre = float(sum(term.mean() for term in terms))
    return centre - float(np.sqrt(squares)), centre + float(np.sqrt(squares))
