"""Numbers about a whole layer: mean selectivity with its interval, quartiles, chance level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from autola_analysis.analyses.selectivity.index import FloatArray, SelectivityIndex, class_means, selectivity_index
from autola_analysis.analyses.selectivity.observer import ClassSums


@dataclass(frozen=True)
class LayerSelectivity:
    """Selectivity of one layer.

    Attributes:
        index: Per unit.
        means: Class-conditional mean activity, ``(K, C)``; NaN for classes without images.
        interval: 95% interval of the mean over units, from a jackknife over images; NaN where there are no folds.
        fold_means: Mean over units without the images of each fold, ``(F,)``; empty where there are no folds.
        null_mean: Mean over units and permutations under permuted labels; NaN where there are none.
    """

    index: SelectivityIndex
    means: FloatArray
    interval: tuple[float, float]
    fold_means: FloatArray
    null_mean: float


def summarise(layer: ClassSums) -> LayerSelectivity:
    """Turn the sums of a pass into selectivities."""
    counts = layer.counts.sum(axis=0)
    means = class_means(layer.sums.sum(axis=0), counts)
    index = selectivity_index(means)
    fold_means = delete_one_fold_means(layer)
    null = [_mean(selectivity_index(class_means(sums, counts)).values) for sums in layer.null_sums]
    return LayerSelectivity(
        index=index,
        means=np.ascontiguousarray(means.T),
        interval=jackknife_interval(_mean(index.values), fold_means),
        fold_means=fold_means,
        null_mean=float(np.mean(null)) if null else float("nan"),
    )


def delete_one_fold_means(layer: ClassSums) -> FloatArray:
    """Return the mean selectivity over units without each fold of images in turn, ``(F,)``; empty below two folds."""
    folds = len(layer.counts)
    if folds < 2:
        return np.empty(0)
    sums, counts = layer.sums.sum(axis=0), layer.counts.sum(axis=0)
    return np.array(
        [
            # Rounding may leave a difference just below zero where it should be zero.
            _mean(selectivity_index(class_means((sums - fold_sums).clip(min=0), counts - fold_counts)).values)
            for fold_sums, fold_counts in zip(layer.sums, layer.counts, strict=True)
        ]
    )


def jackknife_interval(centre: float, fold_means: FloatArray, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the mean selectivity over units by a delete-one-fold jackknife over images.

    With theta_f the statistic without fold f and F folds, the standard error is
    ``sqrt((F - 1) / F * sum((theta_f - mean(theta))^2))``; the interval uses Student's t with F - 1 degrees of
    freedom and is clipped to [0, 1]. The units are described, not sampled: they do not enter the uncertainty.

    Args:
        centre: The statistic over all images.
        fold_means: theta_f, ``(F,)``.
        confidence: Of the interval.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.
    """
    folds = len(fold_means)
    if folds < 2:
        return float("nan"), float("nan")
    error = np.sqrt((folds - 1) / folds * ((fold_means - fold_means.mean()) ** 2).sum())
    margin = stats.t.ppf(0.5 + confidence / 2, folds - 1) * error
    if np.isnan(centre + margin):  # all units are dead
        return float("nan"), float("nan")
    return max(0.0, float(centre - margin)), min(1.0, float(centre + margin))


def _mean(values: FloatArray) -> float:
    """Mean over live units; NaN where all are dead."""
    alive = values[~np.isnan(values)]
    return float(alive.mean()) if len(alive) else float("nan")
