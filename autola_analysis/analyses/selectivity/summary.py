"""Numbers about a whole layer: mean selectivity, plain and corrected, with its interval, and chance level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.selectivity.jackknife import (
    corrected_blocks,
    mean_of_halves,
    pseudo_values,
    without_each_fold,
)
from autola_analysis.analyses.selectivity.observer import ClassSums
from autola_analysis.analyses.selectivity_index import (
    FloatArray,
    SelectivityIndex,
    class_means,
    mean_over_live_units,
    mean_selectivity,
    selectivity_index,
)
from autola_analysis.statistics.intervals import Interval, sum_interval


@dataclass(frozen=True)
class LayerSelectivity:
    """Selectivity of one layer.

    Attributes:
        index: Per unit.
        means: Class-conditional mean activity, ``(K, C)``; NaN for classes without images.
        mean: Plain mean over live units.
        mean_corrected: The same less its bias, by a jackknife over images; NaN where there are no folds. It is not
            clipped to [0, 1], so that differences of variants keep what they should.
        interval: 95% interval around the corrected mean; NaN below four folds.
        fold_means: Mean over units without the images of each fold, ``(F,)``; empty where there are no folds.
        half_means: Plain and corrected mean of halves of the folds, ``(5, 2, 2)``; empty below four folds.
        fold_preferred: Preferred class without the images of each fold, ``(F, K)``; -1 where a unit never fires.
        preferred_stability: Share of the folds without whose images a unit prefers the same class, ``(K,)``; NaN for
            dead units, and where there are no folds.
        null_mean: Plain mean over units and permutations under permuted labels; NaN where there are none. It shares
            the bias of the plain mean, and is to be held beside that one.
        null_free: The same under labels permuted among objects of all sizes; NaN of images.
    """

    index: SelectivityIndex
    means: FloatArray
    mean: float
    mean_corrected: float
    interval: Interval
    fold_means: FloatArray
    half_means: FloatArray
    fold_preferred: NDArray[np.int64]
    preferred_stability: FloatArray
    null_mean: float
    null_free: float


def summarise(layer: ClassSums) -> LayerSelectivity:
    """Turn the sums of a pass into selectivities."""
    counts = layer.counts.sum(axis=0)
    means = class_means(layer.sums.sum(axis=0), counts)
    index = selectivity_index(means)
    mean = mean_over_live_units(index.values)
    without = [selectivity_index(each) for each in without_each_fold(layer)]
    fold_means = np.array([mean_over_live_units(each.values) for each in without])
    fold_preferred = np.array([each.preferred for each in without]).reshape(len(without), len(index.values))
    half_means = mean_of_halves(layer)
    return LayerSelectivity(
        index=index,
        means=np.ascontiguousarray(means.T),
        mean=mean,
        mean_corrected=float(pseudo_values(mean, fold_means).mean()) if without else float("nan"),
        interval=corrected_interval(mean, fold_means, half_means),
        fold_means=fold_means,
        half_means=half_means,
        fold_preferred=fold_preferred,
        preferred_stability=_stability(index, fold_preferred),
        null_mean=_null_mean(layer.null_sums, counts),
        null_free=_null_mean(layer.free_sums, counts),
    )


def _null_mean(sums: FloatArray, counts: NDArray[np.int64]) -> float:
    null = [mean_selectivity(class_means(each, counts)) for each in sums]
    return float(np.mean(null)) if null else float("nan")


def corrected_interval(mean: float, fold_means: FloatArray, half_means: FloatArray) -> Interval:
    """Return the 95% interval around the corrected mean, from what is saved of a layer; NaN below four folds.

    Student's t with F - 1 degrees of freedom over `corrected_blocks`. The units are described, not sampled: they do not
    enter the uncertainty.

    Args:
        mean: Plain mean over units.
        fold_means: ``(F,)``.
        half_means: ``(5, 2, 2)``.
    """
    if not len(half_means):
        return float("nan"), float("nan")
    return sum_interval([corrected_blocks(mean, fold_means, half_means)[None]], folds=True)


def _stability(index: SelectivityIndex, fold_preferred: NDArray[np.int64]) -> FloatArray:
    if not len(fold_preferred):
        return np.full(len(index.values), np.nan)
    return np.where(index.dead, np.nan, (fold_preferred == index.preferred).mean(axis=0))
