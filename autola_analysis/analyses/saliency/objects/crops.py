"""Squares around objects, twice as wide as their boxes, cut out of pictures of whole images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.result import Picture

AROUND = 2.0
"""Side of a square over the longer side of the object's box"""
LEAST = 32
"""Pixels of a square, at least"""


def cropped(picture: Picture) -> Picture:
    """Return an object's picture cut to a square around it; where that leaves the image, white and maps of zero."""
    x1, y1, x2, y2 = _box(picture)
    side = max(LEAST, round(AROUND * max(x2 - x1, y2 - y1)))
    height, width = picture.pixels.shape[:2]
    top, left = (_start((low + high) / 2, side, whole) for low, high, whole in ((y1, y2, height), (x1, x2, width)))
    panels = [
        replace(panel, map=_cut(panel.map, top, left, side, 0), box=_moved(panel.box, top, left))
        for panel in picture.panels
    ]
    return replace(
        picture,
        pixels=_cut(picture.pixels.transpose(2, 0, 1), top, left, side, 255).transpose(1, 2, 0),
        mask=None if picture.mask is None else _cut(picture.mask, top, left, side, False),
        panels=panels,
    )


def _box(picture: Picture) -> Sequence[float]:
    """Return the box of the object where it is annotated, else that of the first network."""
    if picture.mask is not None and picture.mask.any():
        rows, columns = (np.flatnonzero(picture.mask.any(axis)) for axis in (1, 0))
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
    box = picture.panels[0].box
    assert box is not None
    return box


def _start(centre: float, side: int, whole: int) -> int:
    """Return where a stretch around a centre begins, inside the whole if it fits, else around it."""
    if side >= whole:
        return (whole - side) // 2
    return int(np.clip(round(centre - side / 2), 0, whole - side))


def _cut(array: NDArray[Any], top: int, left: int, side: int, outside: Any) -> NDArray[Any]:
    """Return a square of ``(..., H, W)``, filled up where there is no image."""
    made = np.full((*array.shape[:-2], side, side), outside, dtype=array.dtype)
    height, width = array.shape[-2:]
    rows, columns = (slice(max(start, 0), min(start + side, whole)) for start, whole in ((top, height), (left, width)))
    there = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    made[(..., *there)] = array[..., rows, columns]
    return made


def _moved(box: Sequence[float] | None, top: int, left: int) -> Sequence[float] | None:
    return None if box is None else (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
