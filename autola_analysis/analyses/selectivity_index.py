"""The class selectivity index, from class-conditional mean activities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.errors import DataError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SelectivityIndex:
    """Selectivity of K units.

    Attributes:
        values: (mu_max - mu_rest) / (mu_max + mu_rest), shape ``(K,)``; NaN for dead units.
        preferred: Class with the largest mean activity, ``(K,)``; -1 for dead units.
        mean_preferred: mu_max, ``(K,)``.
        mean_rest: Mean of the other classes' means, ``(K,)``.
        dead: Units that are zero for every image, ``(K,)``.
    """

    values: FloatArray
    preferred: NDArray[np.int64]
    mean_preferred: FloatArray
    mean_rest: FloatArray
    dead: NDArray[np.bool_]


def class_means(sums: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    """Return mean activities per class, shape ``(C, K)``; NaN for classes without an image.

    Args:
        sums: Summed activities, ``(C, K)``.
        counts: Images per class, ``(C,)``.
    """
    of_class = counts[:, None]
    return np.divide(sums, of_class, out=np.full_like(sums, np.nan), where=of_class > 0)


def selectivity_index(means: FloatArray) -> SelectivityIndex:
    """Compute the class selectivity index of every unit.

    With mu_max the largest class-conditional mean and mu_rest the mean of the other classes' means,
    ``SI = (mu_max - mu_rest) / (mu_max + mu_rest)``: 0 for equal activity in all classes, 1 for a unit that is active
    for one class only. Every class weighs the same, however many images it has.

    Args:
        means: Class-conditional mean activities, non-negative, ``(C, K)``; rows of NaN are classes without images
            and are left out.

    Raises:
        DataError: If fewer than two classes have images.

    References:
        Morcos, Barrett, Rabinowitz and Botvinick, "On the importance of single directions for generalization",
        ICLR 2018.
    """
    means, present = _of_present_classes(means)
    mean_preferred, mean_rest, values = _preferred_rest_and_values(means)
    dead = np.isnan(values)
    preferred = np.where(dead, -1, present[means.argmax(axis=0)])
    return SelectivityIndex(values, preferred, mean_preferred, mean_rest, dead)


def mean_selectivity(means: FloatArray) -> float:
    """Return the mean of `selectivity_index` over live units, without looking for the preferred classes.

    Args:
        means: Class-conditional mean activities, ``(C, K)``.

    Raises:
        DataError: If fewer than two classes have images.
    """
    return mean_over_live_units(_preferred_rest_and_values(_of_present_classes(means)[0])[2])


def mean_over_live_units(values: FloatArray) -> float:
    """Return the mean selectivity over live units; NaN where all are dead."""
    alive = values[~np.isnan(values)]
    return float(alive.mean()) if len(alive) else float("nan")


def _of_present_classes(means: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the means of the classes that have images, and which these are."""
    present = np.flatnonzero(~np.isnan(means).all(axis=1))
    if len(present) < 2:
        raise DataError(f"class selectivity compares classes and needs images of at least two; found {len(present)}.")
    return (means if len(present) == len(means) else means[present]), present


def _preferred_rest_and_values(means: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the largest class mean, the mean of the others, and the index, ``(K,)`` each; NaN for dead units."""
    mean_preferred = means.max(axis=0)
    mean_rest = (means.sum(axis=0) - mean_preferred) / (len(means) - 1)
    total = mean_preferred + mean_rest
    values = np.divide(mean_preferred - mean_rest, total, out=np.full_like(total, np.nan), where=total != 0)
    return mean_preferred, mean_rest, values
