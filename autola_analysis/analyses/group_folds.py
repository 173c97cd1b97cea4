"""Folds of items that come in groups: the objects of an image, which are not independent, are in one fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def group_folds(labels: IntArray, groups: IntArray, folds: int, seed: int) -> IntArray:
    """Deal groups of items to folds, so that every class is spread over them as evenly as its groups allow, ``(N,)``.

    Classes are dealt one after another, that of the fewest groups first; a group goes to the fold that has the fewest
    items of the class, and of those to the one with the fewest items at all.

    Args:
        labels: Class of every item, ``(N,)``.
        groups: Group of every item, ``(N,)``.
        folds: Number of folds.
        seed: Of the order in which groups of equally many items are dealt.

    References:
        Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", ECML PKDD 2011.
    """
    present, classes = np.unique(labels, return_inverse=True)
    names, members = np.unique(groups, return_inverse=True)
    held = np.zeros((len(names), len(present)), dtype=np.int64)
    np.add.at(held, (members, classes), 1)
    order = np.random.default_rng([seed, 8]).permutation(len(names))
    fold_of = np.full(len(names), -1)
    inside = np.zeros((folds, len(present)), dtype=np.int64)
    for label in np.argsort((held > 0).sum(axis=0), kind="stable"):
        waiting = order[(held[order, label] > 0) & (fold_of[order] < 0)]
        for group in waiting[np.argsort(-held[waiting, label], kind="stable")]:
            fold_of[group] = np.lexsort((inside.sum(axis=1), inside[:, label]))[0]
            inside[fold_of[group]] += held[group]
    return fold_of[members]
