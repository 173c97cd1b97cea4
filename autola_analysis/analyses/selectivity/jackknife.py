"""The mean selectivity of a layer without its bias, and how far other images would move it.

The maximum over noisy class means is too large, so the index is biased upward. Everything here is made of sums that
are kept per fold of images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.selectivity.observer import ClassSums
from autola_analysis.analyses.selectivity_index import FloatArray, class_means, mean_selectivity

HALVINGS = 5
"""Ways in which the folds are split into two halves."""
FOLDS_FOR_INTERVAL = 4
"""Fewer folds have no two halves that can be corrected."""


def without_each_fold(layer: ClassSums) -> Iterator[FloatArray]:
    """Yield the class means ``(C, K)`` without the images of each fold in turn; nothing below two folds."""
    if len(layer.counts) < 2:
        return
    sums, counts = layer.sums.sum(axis=0), layer.counts.sum(axis=0)
    for fold_sums, fold_counts in zip(layer.sums, layer.counts, strict=True):
        # Rounding may leave a difference just below zero where it should be zero.
        yield class_means((sums - fold_sums).clip(min=0), counts - fold_counts)


def pseudo_values(mean: float, fold_means: FloatArray) -> FloatArray:
    """Return the jackknife's pseudo-values ``F theta - (F - 1) theta_f``, ``(F,)``, whose mean is the corrected mean.

    A bias that falls with the number of images as 1/n is taken off whole; that of units which answer all classes alike
    falls as 1/sqrt(n), and half of it stays.

    Args:
        mean: theta, the mean selectivity over units from all images.
        fold_means: theta_f, the mean without the images of each fold, ``(F,)``.

    References:
        Quenouille, "Notes on bias in estimation", Biometrika 1956. Efron and Tibshirani, "An Introduction to the
        Bootstrap", 1993, chapters 10 and 11.
    """
    folds = len(fold_means)
    return folds * mean - (folds - 1) * fold_means


def mean_of_halves(layer: ClassSums) -> FloatArray:
    """Return the plain and the corrected mean of both halves of the folds, for five ways to halve them.

    Returns:
        ``(5, 2, 2)``: way, half, plain and corrected; empty below four folds.
    """
    folds = len(layer.counts)
    if folds < FOLDS_FOR_INTERVAL:
        return np.empty((0, 2, 2))
    generator = np.random.default_rng(folds)  # the same ways for all networks, so that their differences are paired
    orders = [generator.permutation(folds) for _ in range(HALVINGS)]
    halves = [(order[: folds // 2], order[folds // 2 :]) for order in orders]
    return np.array([[_plain_and_corrected(layer, half) for half in both] for both in halves])


def corrected_blocks(mean: float, fold_means: FloatArray, half_means: FloatArray) -> FloatArray:
    """Return a value per fold, ``(F,)``, whose mean is the corrected mean and whose spread is that of its error.

    The spread of pseudo-values is the error of the plain mean. The correction adds noise of its own: where classes are
    nearly alike, which of them is the largest changes from fold to fold. How much it adds is measured on halves of the
    images, whose means are independent: with h of F folds in one half, ``h (F - h) / F^2`` times the squared difference
    of the two halves estimates the variance for all images; that of the corrected means minus that of the plain ones is
    what the correction adds, and the pseudo-values are stretched about their mean to hold it. Intervals of the
    pseudo-values as they are covered the truth in 68% to 93% of small simulated studies; `benchmarks/COVERAGE.md` has
    the coverage of these.

    Args:
        mean: The mean selectivity over units from all images.
        fold_means: Without the images of each fold, ``(F,)``.
        half_means: Of `mean_of_halves`; where it is empty the error is not known and the corrected mean stands alone.

    References:
        Shao and Wu, "A general theory for jackknife variance estimation", Annals of Statistics 1989: a statistic that
        is not smooth needs many images left out.
    """
    values = pseudo_values(mean, fold_means)
    if not len(half_means):
        return np.array([values.mean()])
    folds, error = len(values), values.var(ddof=1) / len(values)
    share = (folds // 2) * (folds - folds // 2) / folds**2
    plain, corrected = share * ((half_means[:, 0] - half_means[:, 1]) ** 2).mean(axis=0)
    stretch = np.sqrt(1 + max(corrected - plain, 0.0) / error) if error > 0 else 1.0
    return values.mean() + stretch * (values - values.mean())


def _plain_and_corrected(layer: ClassSums, folds: NDArray[np.int64]) -> tuple[float, float]:
    """Return the plain and the corrected mean selectivity of some folds alone."""
    part = ClassSums(layer.sums[folds], layer.counts[folds], layer.null_sums)
    mean = mean_selectivity(class_means(part.sums.sum(axis=0), part.counts.sum(axis=0)))
    fold_means = np.array([mean_selectivity(means) for means in without_each_fold(part)])
    return mean, float(pseudo_values(mean, fold_means).mean())
