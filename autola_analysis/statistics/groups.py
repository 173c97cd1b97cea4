"""Means over items that come in groups: the objects of an image are drawn together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def by_group(values: FloatArray, groups: NDArray[np.int64] | NDArray[np.str_]) -> FloatArray:
    """Return a value per group whose mean is that of the values, ``(G,)``: the mean plus the group's influence on it.

    A mean over items of groups of unequal size is a ratio of sums, which a bootstrap of these values linearises.

    Args:
        values: One per item, ``(N,)``; NaN where there is none.
        groups: Group of every item, ``(N,)``; the result has them in the order of `np.unique`.
    """
    names, members = np.unique(groups, return_inverse=True)
    known = ~np.isnan(values)
    mean = values[known].mean()
    moved = np.bincount(members[known], values[known] - mean, len(names))
    result: FloatArray = mean + moved * len(names) / known.sum()
    return result
