"""What variants are compared by, and the difference of two of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from autola_analysis.statistics.intervals import (
    CONFIDENCE,
    RUNS_FOR_MODULES,
    Interval,
    sum_interval,
    variance_components,
)
from autola_analysis.statistics.power import detectable_difference

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

    @property
    def interval(self) -> Interval:
        """Both limits."""
        return self.ci_low, self.ci_high


def difference(
    candidate: FloatArray,
    other: FloatArray,
    *,
    paired: bool = True,
    folds: bool = False,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Difference:
    """Return the difference of two means with its interval; see `intervals.sum_interval`.

    Args:
        candidate: Values ``(runs, blocks)``; NaN where an image has none.
        other: Of the other variant; the same blocks where they are paired.
        paired: Whether the columns are the same images; those without a value of either variant are left out of both.
        folds: Whether the columns are folds of images.
        seed: Of the bootstrap.
        confidence: Of the interval.
    """
    counts = f"{len(candidate)} v {len(other)}"
    scope = scope_of(len(candidate), len(other))
    terms = difference_terms(candidate, other, paired)
    if not all(term.size for term in terms):
        return Difference(float("nan"), float("nan"), float("nan"), counts, scope)
    low, high = sum_interval(terms, paired, folds, seed, confidence)
    return Difference(float(sum(term.mean() for term in terms)), low, high, counts, scope)


def difference_terms(candidate: FloatArray, other: FloatArray, paired: bool = True) -> list[FloatArray]:
    """Return the two terms whose means add up to the difference, without the images that have no value in a term.

    Args:
        candidate: Values ``(runs, blocks)``; NaN where an image has none.
        other: Of the other variant.
        paired: Whether the columns are the same images; those without a value of either variant are left out of both.
    """
    kept = [~np.isnan(values).any(axis=0) for values in (candidate, other)]
    if paired:
        kept = [kept[0] & kept[1]] * 2
    return [candidate[:, kept[0]], -other[:, kept[1]]]


def scope_of(*runs: int) -> str:
    """Return what a statement about so many training runs speaks for: "checkpoints" or "modules"."""
    return "modules" if min(runs) >= RUNS_FOR_MODULES else "checkpoints"


class Comparable(Protocol):
    """Something that variants can be compared by."""

    @property
    def analysis(self) -> str:
        """Name of the analysis that measured it."""

    @property
    def layer(self) -> str:
        """Name of the layer; empty where there is none."""

    @property
    def values(self) -> Mapping[str, FloatArray]:
        """Values per variant."""

    def differences(self, candidate: str, other: str, seed: int = 0) -> Mapping[str, Difference]:
        """Return the differences of two variants by the name of the statistic."""

    def restricted(self, names: Collection[str]) -> Comparable:
        """Return the same of some variants."""


@dataclass(frozen=True)
class Statistic:
    """A mean over images, of all variants.

    Attributes:
        analysis: Name of the analysis that measured it.
        layer: Name of the layer; empty where there is none.
        name: Of the statistic.
        values: ``(runs, blocks)`` per variant; NaN where an image has no value.
        folds: Whether the blocks are folds of images rather than images.
        paired: Whether the blocks are the same images in all variants.
        summary: Whether it sums up several layers, so that `layer` is no layer of its own.
        hidden: Variants whose values noise may make up as a whole: they are shown, and decide no claim.
    """

    analysis: str
    layer: str
    name: str
    values: Mapping[str, FloatArray]
    folds: bool = False
    paired: bool = True
    summary: bool = False
    hidden: frozenset[str] = frozenset()

    def difference(self, candidate: str, other: str, seed: int = 0, confidence: float = CONFIDENCE) -> Difference:
        """Return the candidate's mean minus the other variant's, with an interval of a confidence."""
        ours, theirs = self.values[candidate], self.values[other]
        return difference(ours, theirs, paired=self.paired, folds=self.folds, seed=seed, confidence=confidence)

    def detectable(self, candidate: str, other: str, margin: float) -> float:
        """Return the true difference that would be detected beyond a margin; see `power.detectable_difference`."""
        terms = difference_terms(self.values[candidate], self.values[other], self.paired)
        return detectable_difference(variance_components(terms, self.paired), margin)

    def differences(self, candidate: str, other: str, seed: int = 0) -> Mapping[str, Difference]:
        """Return the difference under the name of the statistic."""
        return {self.name: self.difference(candidate, other, seed)}

    def restricted(self, names: Collection[str]) -> Statistic:
        """Return the statistic of some variants."""
        return replace(self, values={name: values for name, values in self.values.items() if name in names})


@dataclass(frozen=True)
class Distribution:
    """The distribution of a number over the units of a layer, of all variants; described, not tested.

    Attributes:
        analysis: Name of the analysis that measured it.
        layer: Name of the layer.
        values: One per unit of all runs of a variant.
        runs: Number of training runs of each variant.
    """

    analysis: str
    layer: str
    values: Mapping[str, FloatArray]
    runs: Mapping[str, int]

    def differences(self, candidate: str, other: str, seed: int = 0) -> Mapping[str, Difference]:
        """Return Wasserstein distance and Cliff's delta, without intervals: units are no sample of anything."""
        ours, theirs = self.values[candidate], self.values[other]
        counts = f"{self.runs[candidate]} v {self.runs[other]}"
        scope = scope_of(self.runs[candidate], self.runs[other])
        nothing = float("nan")
        return {
            name: Difference(value, nothing, nothing, counts, scope)
            for name, value in (
                ("wasserstein", float(stats.wasserstein_distance(ours, theirs))),
                ("cliffs_delta", cliffs_delta(ours, theirs)),
            )
        }

    def restricted(self, names: Collection[str]) -> Distribution:
        """Return the distributions of some variants."""
        return replace(self, values={name: values for name, values in self.values.items() if name in names})


def cliffs_delta(ours: FloatArray, theirs: FloatArray) -> float:
    """Return the share of pairs in which ours is larger minus the share in which theirs is, from -1 to 1.

    References:
        Cliff, "Dominance statistics: ordinal analyses to answer ordinal questions", Psychological Bulletin 1993.
    """
    ordered = np.sort(theirs)
    smaller = np.searchsorted(ordered, ours, side="left")
    larger = len(ordered) - np.searchsorted(ordered, ours, side="right")
    return float((smaller - larger).mean() / len(ordered))


def values_per_image(rows: pd.DataFrame, column: str) -> dict[str, FloatArray]:
    """Return the values of a column per variant, ``(runs, images)``; the same images in the same order in all.

    Args:
        rows: With the columns ``model``, ``run`` and ``image``, a row per network and image.
        column: Name of the column.
    """
    table: Any = rows.pivot(index=["model", "run"], columns="image", values=column)
    return {str(model): table.loc[[model]].to_numpy(float) for model in dict.fromkeys(rows["model"])}
