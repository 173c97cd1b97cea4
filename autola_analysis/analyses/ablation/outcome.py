"""Which images are right while units are off: what an ablation finds, however it was run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.ablation.orders import RANDOM, REVERSED, SELECTIVE, FloatArray, IntArray, area_weights

BoolArray = NDArray[np.bool_]
FIXED = (SELECTIVE, REVERSED)
"""Orders that come before the random ones."""


@dataclass(frozen=True)
class AblationCurves:
    """Right or wrong along orders of units, image by image, from no unit off (step 0) to all of them (step S).

    Attributes:
        fixed: Along the selective order and its reverse, ``(2, N, S + 1)``.
        random: Number of random orders along which an image is right, ``(N, S + 1)``, whole numbers.
        totals: Number of images that are right along every order, ``(2 + R, S + 1)``.
    """

    fixed: BoolArray
    random: NDArray[np.integer[Any]]
    totals: IntArray

    @classmethod
    def empty(cls, images: int, random: int, steps: int) -> Self:
        """Return curves to be filled in, for so many random orders and steps."""
        return cls(
            np.zeros((len(FIXED), images, steps + 1), dtype=bool),
            np.zeros((images, steps + 1), dtype=np.min_scalar_type(random)),
            np.zeros((len(FIXED) + random, steps + 1), dtype=np.int64),
        )

    def note(self, rows: slice | IntArray, order: int, step: int, right: BoolArray) -> None:
        """Note which of some images are right at a step of an order."""
        if order < len(FIXED):
            self.fixed[order, rows, step] = right
        else:
            self.random[rows, step] += right
        self.totals[order, step] += np.count_nonzero(right)

    def shares(self) -> dict[str, FloatArray]:
        """Return, by the name of the order, the share of its draws in which an image is right, ``(N, S + 1)``."""
        draws = len(self.totals) - len(FIXED)
        selective, reverse = self.fixed.astype(np.float64)
        return {SELECTIVE: selective, REVERSED: reverse, RANDOM: self.random / draws}

    def random_areas(self) -> FloatArray:
        """Return the area under the accuracy curve of every random order, ``(R,)``."""
        images, steps = len(self.random), self.random.shape[1] - 1
        areas: FloatArray = self.totals[len(FIXED) :] / images @ area_weights(steps)
        return areas


@dataclass(frozen=True)
class Outcome:
    """AblationCurves, and what every unit does alone.

    Attributes:
        curves: Along orders of units.
        folds: Fold of every image, ``(N,)``.
        lost: Number of images that are right, and wrong with one unit off, per fold and unit, ``(F, K)``.
        gained: Number of images that are wrong, and right with one unit off, ``(F, K)``.
    """

    curves: AblationCurves
    folds: IntArray
    lost: IntArray
    gained: IntArray

    @classmethod
    def empty(cls, folds: IntArray, units: int, random: int, steps: int) -> Self:
        """Return an outcome to be filled in."""
        shape = (int(folds.max(initial=0)) + 1, units)
        nothing = [np.zeros(shape, dtype=np.int64) for _ in range(2)]
        return cls(AblationCurves.empty(len(folds), random, steps), folds, *nothing)

    def note_intact(self, rows: slice | IntArray, right: BoolArray) -> None:
        """Note which of some images are right with no unit off: the first step of every order."""
        for order in range(len(self.curves.totals)):
            self.curves.note(rows, order, 0, right)

    def note_unit(self, rows: slice | IntArray, unit: int, intact: BoolArray, right: BoolArray) -> None:
        """Note which of some images are right with one unit off, beside which are with none."""
        folds = self.folds[rows]
        self.lost[:, unit] += np.bincount(folds[intact & ~right], minlength=len(self.lost))
        self.gained[:, unit] += np.bincount(folds[right & ~intact], minlength=len(self.gained))
