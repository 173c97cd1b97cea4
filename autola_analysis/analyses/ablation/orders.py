"""In which order units are switched off, and how many of them at each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SELECTIVE, REVERSED, RANDOM = "selective", "reversed", "random"
ORDERS = (SELECTIVE, REVERSED, RANDOM)


@dataclass(frozen=True)
class Orders:
    """Orders of the live units of a layer; dead units, which are zero for every image, stand in none.

    Attributes:
        selective: Numbers of the units, most selective first; of equally selective ones the first, ``(L,)``.
        random: Random orders, ``(R, L)``.
    """

    selective: IntArray
    random: IntArray

    @classmethod
    def draw(cls, selectivity: FloatArray, random: int, seed: int) -> Orders:
        """Return the orders of units, ``(K,)`` with NaN for dead units; the same draws in every layer of K units."""
        live = np.flatnonzero(~np.isnan(selectivity))
        selective = live[np.argsort(-selectivity[live], kind="stable")]
        generator = np.random.default_rng([seed, 12])
        drawn = [generator.permutation(len(selectivity)) for _ in range(random)]
        kept = [units[~np.isnan(selectivity[units])] for units in drawn]
        return cls(selective, np.array(kept, dtype=np.int64).reshape(random, len(live)))

    @property
    def all(self) -> list[IntArray]:
        """The selective order, the reversed one, and the random ones."""
        return [self.selective, self.selective[::-1], *self.random]


def ablated_units(live: int, steps: int) -> IntArray:
    """Return how many units are off at every step from none to all, ``(steps + 1,)``."""
    return np.rint(np.linspace(0, live, steps + 1)).astype(np.int64)


def area_weights(steps: int) -> FloatArray:
    """Return the weights of the trapezoidal rule over the share of units that are off, ``(steps + 1,)``; sum 1."""
    weights = np.full(steps + 1, 1 / steps)
    weights[[0, -1]] /= 2
    return weights


def stratified_folds(labels: IntArray, folds: int) -> IntArray:
    """Return the fold of every image, ``(N,)``: the images of each class are dealt out to the folds in turn."""
    numbers = np.empty(len(labels), dtype=np.int64)
    numbers[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % folds
    return numbers
