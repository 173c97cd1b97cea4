"""Random boxes beside the objects of an image: what an analysis looks at as background."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.object_items import ARRAYS, FEWEST, ObjectItems, size_classes
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.text import counted
from autola_analysis.data.object_source import ObjectSource

BACKGROUND = "background"
"""Name of the class of boxes that lie beside all objects"""
Boxes = NDArray[np.float64]

COVERED = 0.1
"""Share of a box of background that a single object may cover; its IoU with any object is then below that too"""
PLACES, SHRINKS, SHRUNK = 50, 12, 0.75
"""Places that are tried at a size, how often a box is made smaller where none is free, and by how much"""


def with_background(items: ObjectItems, source: ObjectSource, seed: int) -> ObjectItems:
    """Return objects and as many random boxes beside them, which are of one more class, see `background_boxes`.

    Args:
        items: The objects.
        source: The images with all that is annotated in them.
        seed: Of the places of the boxes.

    Raises:
        OptionError: If a class of the source has that name.
        DataError: If the images have room for too few boxes.
    """
    if BACKGROUND in source.class_names:
        raise OptionError(f"{source.name} has a class {BACKGROUND!r} of its own; leave out --background.")
    found = [_of_image(items, source, index, seed) for index in np.unique(items.images).tolist()]
    both = (items, *found)
    together: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in both]) for name in ARRAYS}
    if len(together["labels"]) < len(items) + FEWEST or sum(len(each) > 0 for each in found) < 2:
        raise DataError(
            f"the images of {source.name} have room for {counted(sum(map(len, found)), 'box')} beside their "
            f"objects, and a class needs {FEWEST} in two images; leave out --background."
        )
    names = tuple(name for each in both for name in each.names)
    joined = replace(items, names=names, classes_beside=(BACKGROUND,), **together)
    return joined.at(np.argsort(joined.images, kind="stable"))


def _of_image(items: ObjectItems, source: ObjectSource, index: int, seed: int) -> ObjectItems:
    """Return the boxes of background of an image."""
    own, objects = items.of_image(index), source.objects(index)
    annotated = objects.boxes / np.tile(source.sizes[index], 2)
    boxes, of, shares = background_boxes(items.boxes[own], annotated, np.random.default_rng([seed, 9, index]))
    beside = items.at(own.start + of)
    return replace(
        beside,
        places=len(objects) + np.arange(len(of)),
        labels=np.full(len(of), len(source.classes)),
        sizes=size_classes(objects.areas[beside.places] * shares),
        boxes=boxes,
    )


def background_boxes(
    objects: Boxes, annotated: Boxes, generator: np.random.Generator
) -> tuple[Boxes, NDArray[np.int64], NDArray[np.float64]]:
    """Return a random box of background for every object that leaves room for one.

    A box has the width and height of its object, so that backgrounds are as large as objects, and lies anywhere in the
    image where no annotated object covers more than `COVERED` of it. Where no such place is found, a smaller box of the
    same shape is tried. IoU alone would let a small box lie inside a large object.

    Args:
        objects: x1, y1, x2, y2 in shares of the image, 0 to 1, ``(n, 4)``.
        annotated: All that is annotated in the image, crowds too, likewise, ``(m, 4)``.
        generator: Chooses the places.

    Returns:
        The boxes ``(k, 4)``, the numbers of their objects ``(k,)``, and the shares of these objects' areas that they
        have ``(k,)``. An object whose image has no room gives none.
    """
    boxes, numbers, areas = [], [], []
    for number, box in enumerate(objects):
        for shrink in SHRUNK ** np.arange(SHRINKS):
            free = _free_place((box[2:] - box[:2]) * shrink, annotated, generator)
            if free is not None:
                boxes.append(free)
                numbers.append(number)
                areas.append(shrink**2)
                break
    return np.array(boxes).reshape(-1, 4), np.array(numbers, dtype=np.int64), np.array(areas)


def _free_place(sides: NDArray[np.float64], annotated: Boxes, generator: np.random.Generator) -> Boxes | None:
    corners = generator.random((PLACES, 2)) * (1 - sides)
    boxes = np.concatenate([corners, corners + sides], 1)
    low = np.maximum(boxes[:, None, :2], annotated[:, :2])
    high = np.minimum(boxes[:, None, 2:], annotated[:, 2:])
    covered = (high - low).clip(min=0).prod(2).max(1, initial=0) / sides.prod()
    free = np.flatnonzero(covered < COVERED)
    return boxes[free[0]] if len(free) else None
