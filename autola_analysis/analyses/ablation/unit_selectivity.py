"""How selective the units of a layer are, over all images and without each fold of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from autola_analysis.analyses.ablation.orders import FloatArray, IntArray, stratified_folds
from autola_analysis.analyses.selectivity_index import class_means, selectivity_index

FOLDS = 10


@dataclass(frozen=True)
class UnitSelectivity:
    """Class selectivity of K units.

    Attributes:
        folds: Fold of every image, ``(N,)``; all 0 where a class has a single image, which no fold can be without.
        values: Selectivity index over all images, ``(K,)``; NaN for dead units.
        without: The same without the images of each fold, ``(F, K)``; no row where there is one fold.
    """

    folds: IntArray
    values: FloatArray
    without: FloatArray

    @classmethod
    def measure(cls, features: NDArray[np.float32], labels: IntArray, classes: int) -> UnitSelectivity:
        """Measure selectivity from pooled activations ``(N, K)``."""
        images = np.bincount(labels, minlength=classes)
        number = min(FOLDS, int(images[images > 0].min()))
        folds = stratified_folds(labels, number)
        members = [np.flatnonzero(folds == each) for each in range(number)]
        sums = np.stack([_class_sums(features[each], labels[each], classes) for each in members])
        counts = np.stack([np.bincount(labels[each], minlength=classes) for each in members])
        total, images = sums.sum(axis=0), counts.sum(axis=0)
        without = [
            selectivity_index(class_means((total - of_fold).clip(min=0), images - of_fold_images)).values
            for of_fold, of_fold_images in zip(sums, counts, strict=True)
            if number > 1
        ]
        values = selectivity_index(class_means(total, images)).values
        return cls(folds, values, np.array(without).reshape(-1, len(values)))

    def correlations(self, changed: IntArray) -> tuple[float, FloatArray]:
        """Return the rank correlation with what units do alone: over all images, and without each fold, ``(F,)``.

        Args:
            changed: Images that a unit's ablation loses, minus those it gains, per fold and unit, ``(F, K)``.
        """
        total = changed.sum(axis=0)
        without = [
            rank_correlation(values, total - of_fold)
            for values, of_fold in zip(self.without, changed, strict=len(self.without) > 0)
        ]
        return rank_correlation(self.values, total), np.array(without, dtype=np.float64)


def rank_correlation(selectivity: FloatArray, drops: IntArray) -> float:
    """Return Spearman's correlation over live units; NaN where either is the same for all of them."""
    live = ~np.isnan(selectivity)
    if min(len(np.unique(selectivity[live])), len(np.unique(drops[live]))) < 2:
        return float("nan")
    return float(stats.spearmanr(selectivity[live], drops[live]).statistic)


def _class_sums(features: NDArray[np.float32], labels: IntArray, classes: int) -> FloatArray:
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(labels), torch.from_numpy(features).double())
    found: FloatArray = sums.numpy()
    return found
