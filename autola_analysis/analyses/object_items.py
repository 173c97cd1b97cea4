"""The annotated objects of a source, as items that an analysis looks at instead of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autola_analysis.analyses.options import Everything
from autola_analysis.core.errors import DataError
from autola_analysis.core.text import counted
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import hash_of
from autola_analysis.data.subset import allocate, seeded_order
from autola_analysis.inference.tasks.coco_metrics import SIZES

FEWEST = 10
"""Objects of a class that is looked at; fewer give no mean worth the name"""
OBJECTS, IMAGES, JOINTS = "objects", "images", "joints"
"""What tables say the items of an analysis are"""

ARRAYS = ("images", "places", "labels", "sizes", "boxes")
"""What is known of every item"""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ObjectItems:
    """Objects of several images, numbered in the order of the images; crowds and rare classes are left out.

    Attributes:
        names: Of the images, one per object, ``(N,)``.
        images: Number of the image of every object, ``(N,)``.
        places: Which of the objects of its image it is, ``(N,)``.
        labels: Its class, ``(N,)``.
        sizes: Whether it is small (0), medium (1) or large (2) by COCO's areas, ``(N,)``.
        boxes: x1, y1, x2, y2 in shares of the image's width and height, within the image, ``(N, 4)``.
        left_out: Number of objects of every class that is left out, by name.
        what: What the items are: objects, joints, or whole images, once for every class that an image holds.
        classes_beside: Names of the classes behind those of the source.
    """

    names: tuple[str, ...]
    images: IntArray
    places: IntArray
    labels: IntArray
    sizes: IntArray
    boxes: NDArray[np.float64]
    left_out: Mapping[str, int]
    what: str = OBJECTS
    classes_beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: ObjectSource, fewest: int = FEWEST) -> ObjectItems:
        """Return the objects of a source whose class has some objects, in two images at least.

        Args:
            source: The images.
            fewest: Objects that a class needs.

        Raises:
            DataError: If a box has no area within its image, or fewer than two classes have so many objects.
        """
        found: list[tuple[int, int, int, int]] = []
        boxes: list[NDArray[np.float64]] = []
        for index in range(len(source)):
            objects = source.objects(index)
            shares = np.clip(objects.boxes / np.tile(source.sizes[index], 2), 0, 1)
            for place in np.flatnonzero(~objects.crowd).tolist():
                _refuse_empty(source, index, objects.boxes[place], shares[place])
                size = size_classes(objects.areas[place])
                found.append((index, place, int(objects.labels[place]), int(size)))
                boxes.append(shares[place])
        images, places, labels, sizes = np.array(found, dtype=np.int64).reshape(-1, 4).T
        per_class = np.bincount(labels, minlength=len(source.classes))
        spread = np.array([len(np.unique(images[labels == label])) for label in range(len(per_class))])
        kept_classes = (per_class >= fewest) & (spread >= 2)
        if kept_classes.sum() < 2:
            largest = max(zip(per_class.tolist(), source.class_names, strict=True), default=(0, "none"))
            raise DataError(
                f"{source.name} has {counted(int(kept_classes.sum()), 'class')} with {fewest} objects in at least two "
                f"of the images, and classes are compared (the most: {largest[1]} with {largest[0]}); give more images."
            )
        left_out = {
            name: int(count)
            for name, count, kept in zip(source.class_names, per_class, kept_classes, strict=True)
            if count and not kept
        }
        names = tuple(source.ids[index] for index in images.tolist())
        everything = cls(names, images, places, labels, sizes, np.array(boxes), left_out)
        return everything.at(np.flatnonzero(kept_classes[labels]))

    def as_images(self) -> ObjectItems:
        """Return the whole images instead, each once for every class of its objects."""
        _, first = np.unique(np.stack([self.images, self.labels]), axis=1, return_index=True)
        pairs = self.at(np.sort(first))
        whole = np.tile([0.0, 0, 1, 1], (len(pairs), 1))
        nought = np.zeros(len(pairs), dtype=np.int64)
        return replace(pairs, places=nought, sizes=nought, boxes=whole, what=IMAGES)

    def at(self, rows: IntArray) -> ObjectItems:
        """Return some of the items."""
        names = tuple(self.names[row] for row in rows.tolist())
        return replace(self, names=names, **{name: getattr(self, name)[rows] for name in ARRAYS})

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def groups(self) -> IntArray:
        """Number of the image that every object shares with others that it depends on, ``(N,)``."""
        return self.images

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the objects: of the image, and which of its objects it is, from 1 on."""
        return tuple(f"{name} #{place + 1}" for name, place in zip(self.names, self.places.tolist(), strict=True))

    @cached_property
    def hash(self) -> str:
        """Of which objects these are."""
        return hash_of(*(np.ascontiguousarray(getattr(self, name)).tobytes() for name in ARRAYS))

    def limited(self, most: int | Everything, seed: int) -> ObjectItems:
        """Return a sample of the objects in which every class keeps its share, as `data.subset.limit` draws images."""
        if most == "all" or most >= len(self):
            return self
        ids = self.ids
        present, counts = np.unique(self.labels, return_counts=True)
        shares = allocate(counts, most, seeded_order([f"class {label}" for label in present], seed))
        members = [np.flatnonzero(self.labels == label) for label in present]
        chosen = [
            own[seeded_order([ids[number] for number in own.tolist()], seed)[:share]]
            for own, share in zip(members, shares, strict=True)
        ]
        return self.at(np.sort(np.concatenate(chosen)))

    def of_image(self, index: int) -> slice:
        """Return which objects are those of an image."""
        first, end = np.searchsorted(self.images, [index, index + 1])
        return slice(int(first), int(end))


def size_classes(areas: ArrayLike) -> IntArray:
    """Return whether areas in pixels are small (0), medium (1) or large (2), by COCO's limits."""
    return np.searchsorted([SIZES["small"][1], SIZES["medium"][1]], areas, side="right")


def _refuse_empty(source: ObjectSource, index: int, box: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
    if not (shares[2:] > shares[:2]).all():
        width, height = source.sizes[index].tolist()
        raise DataError(
            f"the box {box.tolist()} of an object of {source.ids[index]!r} has no area within its {width} x {height} "
            "pixels; mend the annotation or leave it out."
        )
