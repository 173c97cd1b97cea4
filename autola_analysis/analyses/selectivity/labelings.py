"""Labels beside the true ones: permutations for the chance level, image folds for the jackknife.

Of objects too: their labels are permuted among those of like size, their folds are `group_folds` of their images.

Both are drawn for the labels of the whole run, before the pass, and addressed by image index, so that they depend
neither on batch size nor on shards. Permuting inside a batch would not do: in a class-sorted folder a batch holds one
class, and permuting it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from autola_analysis.analyses.group_folds import group_folds
from autola_analysis.analyses.object_items import IMAGES, IntArray, ObjectItems


@dataclass(frozen=True)
class Labelings:
    """All the labels that a pass sums under.

    Attributes:
        num_classes: C.
        folds: Fold of every image, ``(N,)``; None where the labels of the run are not known beforehand.
        num_folds: Number of folds; 1 where there are no folds.
        permuted: Permuted labels, ``(P, N)``; P = 0 where the labels are not known beforehand.
        labels: Labels of the run, ``(N,)``; None where they are not known beforehand.
        folds_asked_for: Number of folds that was asked for.
        free: Labels permuted among all objects, whatever their size, ``(P, N)``; none of images.
        items: What has a label: images, objects or joints.
        left_out: Number of items of every class that is left out, by name.
        classes_beside: Names of the last of the classes, which the data do not have.
    """

    num_classes: int
    folds: Tensor | None
    num_folds: int
    permuted: Tensor
    labels: Tensor | None
    folds_asked_for: int
    free: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.int32))
    items: str = IMAGES
    left_out: Mapping[str, int] = field(default_factory=dict)
    classes_beside: tuple[str, ...] = ()

    @classmethod
    def draw(cls, labels: IntArray | None, num_classes: int, permutations: int, folds: int, seed: int) -> Labelings:
        """Draw folds and permutations for the labels of a run; neither where the labels are not known."""
        if labels is None:
            return cls(num_classes, None, 1, torch.empty(0, 0, dtype=torch.int32), None, folds)
        num_folds = usable_folds(labels, folds)
        return cls(
            num_classes,
            torch.from_numpy(image_folds(labels, num_folds, seed)) if num_folds else None,
            max(num_folds, 1),
            torch.from_numpy(permuted_labels(labels, permutations, seed).astype(np.int32)),
            torch.from_numpy(labels),
            folds,
        )

    @classmethod
    def of_objects(cls, items: ObjectItems, num_classes: int, permutations: int, folds: int, seed: int) -> Labelings:
        """Draw folds of images, and permutations within sizes and free ones, for the objects of a run.

        There are no folds where a class would lie in a single one. Whole images have no size to permute within, and
        so no free permutations either.

        Args:
            items: The objects.
            num_classes: Classes of the data.
            permutations: How many.
            folds: How many.
            seed: Of folds and permutations.
        """
        labels = items.labels
        num_folds = min(folds, len(np.unique(items.groups)))
        dealt = group_folds(labels, items.groups, num_folds, seed) if num_folds >= 2 else np.zeros_like(labels)
        usable = all(len(np.unique(dealt[labels == label])) > 1 for label in np.unique(labels))
        within = permuted_within(labels, items.sizes, permutations, seed)
        free = permuted_labels(labels, 0 if items.what == IMAGES else permutations, seed)
        return cls(
            num_classes + len(items.classes_beside),
            torch.from_numpy(dealt) if usable else None,
            num_folds if usable else 1,
            torch.from_numpy(within.astype(np.int32)),
            torch.from_numpy(labels),
            folds,
            free=torch.from_numpy(free.astype(np.int32)),
            items=items.what,
            left_out=items.left_out,
            classes_beside=items.classes_beside,
        )

    @property
    def beside(self) -> Tensor:
        """All labels beside the true ones, ``(P, N)``: `permuted`, then `free`."""
        return torch.cat([self.permuted, self.free]) if len(self.free) else self.permuted


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
