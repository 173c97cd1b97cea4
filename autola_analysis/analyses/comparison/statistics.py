"""What is compared: a statistic as values per variant, training run and image, and the difference of two variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.intervals import RUNS_FOR_MODULES, sum_interval

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A statistic of one variant minus that of another.

    Attributes:
        value: The difference.
        ci_low: Lower limit of its 95% interval; NaN where there is none.
        ci_high: Upper limit.
        runs: Numbers of training runs, like "3 v 3".
        scope: "checkpoints" below three runs of either variant: the interval is over images and says nothing of other
            runs; "modules" from three on: it is over runs and images together.
    """

    value: float
    ci_low: float
    ci_high: float
    runs: str
    scope: str


def difference(
    candidate: FloatArray, other: FloatArray, *, paired: bool = True, folds: bool = False, seed: int = 0
) -> Difference:
    """Return the difference of two means with its 95% interval; see `intervals.sum_interval`.

    Args:
        candidate: Values ``(runs, blocks)``; NaN where an image has none.
        other: Of the other variant; the same blocks where they are paired.
        paired: Whether the columns are the same images; those without a value of either variant are left out of both.
        folds: Whether the columns are folds of images.
        seed: Of the bootstrap.
    """
    counts = f"{len(candidate)} v {len(other)}"
    scope = scope_of(len(candidate), len(other))
    kept = [~np.isnan(values).any(axis=0) for values in (candidate, other)]
    if paired:
        kept = [kept[0] & kept[1]] * 2
    candidate, other = candidate[:, kept[0]], other[:, kept[1]]
    if not candidate.size or not other.size:
        return Difference(float("nan"), float("nan"), float("nan"), counts, scope)
    low, high = sum_interval([candidate, -other], paired, folds, seed)
    return Difference(float(candidate.mean() - other.mean()), low, high, counts, scope)


def scope_of(*runs: int) -> str:
    """Return what a statement about so many training runs speaks for: "checkpoints" or "modules"."""
    return "modules" if min(runs) >= RUNS_FOR_MODULES else "checkpoints"


@dataclass(frozen=True)
class Statistic:
    """One statistic of all variants.

    Attributes:
        analysis: "selectivity", "saliency", "embedding" or "accuracy".
        layer: Name of the layer; empty where there is none.
        name: Of the statistic.
        values: ``(runs, blocks)`` per variant; NaN where an image has no value.
        folds: Whether the blocks are folds of images rather than images.
        paired: Whether the blocks are the same images in all variants.
    """

    analysis: str
    layer: str
    name: str
    values: Mapping[str, FloatArray]
    folds: bool = False
    paired: bool = True

    def difference(self, candidate: str, other: str, seed: int = 0) -> Difference:
        """Return the candidate's mean minus the other variant's."""
        return difference(self.values[candidate], self.values[other], paired=self.paired, folds=self.folds, seed=seed)
