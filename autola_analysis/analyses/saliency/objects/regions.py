"""Where the objects of an image are, in the pixels that a network sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.objects import Objects

Masks = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Regions:
    """Where one object is and where the others are, each ``(H, W)``.

    Attributes:
        box: Its annotated box.
        mask: Its annotated mask; None where it has none.
        same: Other objects of its class, without what lies on it.
        other: Objects of other classes, without what lies on it or on those of its class.
        crowd: Crowds, without what lies on it; they belong to nobody, and no sum counts them.
    """

    box: Masks
    mask: Masks | None
    same: Masks
    other: Masks
    crowd: Masks

    @property
    def own(self) -> Masks:
        """The object: its mask, or its box where there is none."""
        return self.box if self.mask is None else self.mask


def box_masks(boxes: FloatArray, height: int, width: int) -> Masks:
    """Return which pixels have their centre in boxes ``(n, 4)``, ``(n, H, W)``.

    A box that holds no centre gets the pixel in which its own centre lies.
    """
    masks = np.zeros((len(boxes), height, width), dtype=np.bool_)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[_pixels(y1, y2, height), _pixels(x1, x2, width)] = True
    return masks


def regions_of(objects: Objects, boxes: Masks, masks: Masks | None, number: int) -> Regions:
    """Return the regions for one object of an image.

    Args:
        objects: All objects of the image.
        boxes: Their boxes, ``(n, H, W)``.
        masks: Their masks; None where not every object has one.
        number: Of the object.
    """
    areas = boxes if masks is None else masks
    own, label = areas[number], objects.labels[number]
    others = ~objects.crowd & (np.arange(len(objects)) != number)
    same = _together(areas, others & (objects.labels == label)) & ~own
    other = _together(areas, others & (objects.labels != label)) & ~own & ~same
    crowd = _together(areas, objects.crowd) & ~own
    return Regions(boxes[number], None if masks is None else masks[number], same & ~crowd, other & ~crowd, crowd)


def _together(areas: Masks, chosen: Masks) -> Masks:
    return np.asarray(areas[chosen].any(0))


def _pixels(low: float, high: float, side: int) -> slice:
    """Return the pixels of a side whose centres lie in [low, high)."""
    first, last = (int(np.clip(np.ceil(edge - 0.5), 0, side)) for edge in (low, high))
    if first < last:
        return slice(first, last)
    centre = int(np.clip((low + high) // 2, 0, side - 1))
    return slice(centre, centre + 1)
