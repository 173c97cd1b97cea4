"""Labels beside the true ones: permutations for the chance level, image folds for the jackknife.

Of objects too: their labels are permuted among those of like size, their folds are `group_folds` of their images.

Both are drawn for the labels of the whole run, before the pass, and addressed by image index, so that they depend
neither on batch size nor on shards. Permuting inside a batch would not do: in a class-sorted folder a batch holds one
class, and permuting it changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def permuted_labels(labels: IntArray, permutations: int, seed: int) -> IntArray:
    """Return seeded permutations of the labels of a run, shape ``(permutations, N)``."""
    permuted = np.empty((permutations, len(labels)), dtype=np.int64)
    for index in range(permutations):
        permuted[index] = np.random.default_rng([seed, 1, index]).permutation(labels)
    return permuted


def permuted_within(labels: IntArray, strata: IntArray, permutations: int, seed: int) -> IntArray:
    """Return seeded permutations of labels among the items of each stratum, shape ``(permutations, N)``.

    Args:
        labels: ``(N,)``.
        strata: Stratum of every item, ``(N,)``.
        permutations: How many.
        seed: Of the permutations.
    """
    permuted = np.tile(labels, (permutations, 1))
    for index in range(permutations):
        generator = np.random.default_rng([seed, 7, index])
        for stratum in np.unique(strata):
            inside = strata == stratum
            permuted[index, inside] = generator.permutation(labels[inside])
    return permuted


def usable_folds(labels: IntArray, folds: int) -> int:
    """Return the number of folds: as asked, but none may hold all images of a class; 0 where that is impossible."""
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    return min(folds, smallest) if smallest >= 2 and folds >= 2 else 0


def image_folds(labels: IntArray, folds: int, seed: int) -> IntArray:
    """Deal the images of every class, in seeded random order, to the folds in turn; shape ``(N,)``.

    Folds differ by at most one image of each class. Classes begin at different folds, so that small classes do not
    all fill the first ones.
    """
    assigned = np.empty(len(labels), dtype=np.int64)
    generator = np.random.default_rng([seed, 2])
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        assigned[members] = (np.arange(len(members)) + generator.integers(folds)) % folds
    return assigned
