"""How well a unit detects its preferred class: the area under its ROC curve, as signal detection measures it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from autola_analysis.analyses.selectivity_index import FloatArray

UNITS_AT_ONCE = 64
"""Units whose activities are ranked at once, for memory."""


def unit_auc(
    activity: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
    fold_preferred: NDArray[np.int64],
) -> FloatArray:
    """Return the area under the ROC curve of every unit's activity for its preferred class against all others.

    The class is chosen on the images outside a fold and the area is measured inside it, so that the choice cannot
    flatter the unit; the areas of the folds are averaged. It is the chance that an image of the class drives the unit
    more than one of another class, ties counting half: 0.5 for a unit that says nothing of the class, 1 for a detector.

    Args:
        activity: Spatial means, ``(N, K)``.
        labels: ``(N,)``.
        folds: Fold of every image, ``(N,)``; each holds images of every class.
        fold_preferred: Preferred class of every unit without the images of each fold, ``(F, K)``; -1 for a unit that
            fires for none of them, whose fold is left out.

    Returns:
        ``(K,)``; NaN for dead units.

    References:
        Gale et al., "Are there any 'object detectors' in the hidden layers of CNNs trained to identify objects or
        scenes?", Vision Research 2020, on signal detection measures beside class selectivity. Hanley and McNeil, "The
        meaning and use of the area under a ROC curve", Radiology 1982.
    """
    areas = np.array(
        [
            _areas_inside(activity[folds == fold], labels[folds == fold], preferred)
            for fold, preferred in enumerate(fold_preferred)
        ]
    )
    measured = ~np.isnan(areas)
    counts = measured.sum(axis=0)
    return np.divide(
        np.where(measured, areas, 0).sum(axis=0), counts, out=np.full(len(counts), np.nan), where=counts > 0
    )


def _areas_inside(activity: NDArray[np.float32], labels: NDArray[np.int64], preferred: NDArray[np.int64]) -> FloatArray:
    """Return the areas of the units within some images, by Mann and Whitney's sum of ranks."""
    areas = np.full(len(preferred), np.nan)
    of_class = np.bincount(labels, minlength=int(preferred.max()) + 1)
    for start in range(0, len(preferred), UNITS_AT_ONCE):
        ranks = stats.rankdata(activity[:, start : start + UNITS_AT_ONCE], axis=0)
        for unit, label in enumerate(preferred[start : start + UNITS_AT_ONCE], start):
            if label >= 0:
                inside = int(of_class[label])
                above = ranks[labels == label, unit - start].sum() - inside * (inside + 1) / 2
                areas[unit] = above / (inside * (len(labels) - inside))
    return areas
