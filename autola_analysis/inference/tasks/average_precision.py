"""Average precision of detections, as COCO defines it, with a weight for every image.

A weight of 2 stands for an image that is there twice, so that a bootstrap over images draws weights and matches once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.objects import Objects

Floats = NDArray[np.float64]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU from which a detection is right; AP is the mean over all"""
RECALLS = np.linspace(0, 1, 101)
"""At which precision is read"""
MOST = 100
"""Detections of an image and class that are looked at, the strongest"""
ANY_AREA = (0.0, 1e10)
"""Least and largest area of the objects that count, in pixels"""


@dataclass(frozen=True)
class Detections:
    """The detections of one image.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the stored image, ``(n, 4)``.
        labels: Index of the class, ``(n,)``.
        scores: ``(n,)``.
    """

    boxes: Floats
    labels: NDArray[np.int64]
    scores: Floats


@dataclass(frozen=True)
class Matches:
    """The detections of one class over all images, strongest first, and what they hit.

    Attributes:
        images: Index of the image of every detection, ``(D,)``.
        right: Whether a detection hits an object that counts, ``(thresholds, D)``.
        wrong: Whether it hits nothing, ``(thresholds, D)``; one that hits what is ignored is neither.
        objects: Number of objects that count in every image, ``(N,)``.
    """

    images: NDArray[np.int64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    objects: NDArray[np.int64]


def match_class(
    detections: Sequence[Detections], objects: Sequence[Objects], label: int, areas: tuple[float, float] = ANY_AREA
) -> Matches:
    """Give detections of one class the objects that they hit, by descending score, each object once.

    Args:
        detections: Of every image.
        objects: Of every image.
        label: Index of the class.
        areas: Least and largest area of the objects that count; others and crowds are ignored, and so are detections
            that hit those, or hit nothing and have another area.

    References:
        Lin et al., "Microsoft COCO", ECCV 2014; cocodataset.org, detection evaluation.
    """
    images, scores, right, wrong, counts = [], [], [], [], []
    for index, (found, wanted) in enumerate(zip(detections, objects, strict=True)):
        own = np.flatnonzero(found.labels == label)
        own = own[np.argsort(-found.scores[own], kind="stable")[:MOST]]
        hits, ignored, count = _match_image(found.boxes[own], wanted, label, areas)
        images.append(np.full(len(own), index))
        scores.append(found.scores[own])
        right.append(hits & ~ignored)
        wrong.append(~hits & ~ignored)
        counts.append(count)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return Matches(
        np.concatenate(images)[order],
        np.concatenate(right, 1)[:, order],
        np.concatenate(wrong, 1)[:, order],
        np.array(counts, dtype=np.int64),
    )


def average_precisions(matches: Matches, weights: Floats | None = None) -> Floats:
    """Return the average precision of a class at every threshold ``(thresholds,)``; NaN without objects.

    Args:
        matches: Of the class.
        weights: Of the images, ``(N,)``; None for 1 each.
    """
    weights = np.ones(len(matches.objects)) if weights is None else weights
    total = float(weights @ matches.objects)
    if total == 0:
        return np.full(len(THRESHOLDS), np.nan)
    own = weights[matches.images]
    right, wrong = np.cumsum(matches.right * own, 1), np.cumsum(matches.wrong * own, 1)
    precision = right / (right + wrong + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    means = []
    for recall, values in zip(right / total, envelope, strict=True):
        places = np.searchsorted(recall, RECALLS, side="left")
        means.append(np.append(values, 0.0)[places].mean())
    return np.array(means)


def _match_image(
    boxes: Floats, wanted: Objects, label: int, areas: tuple[float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
    """Return which detections hit something, which are ignored ``(thresholds, n)``, and how many objects count."""
    own = np.flatnonzero(wanted.labels == label)
    outside = (wanted.areas[own] < areas[0]) | (wanted.areas[own] > areas[1])
    ignored = wanted.crowd[own] | outside
    order = np.argsort(ignored, kind="stable")  # objects that count come first, and are preferred
    own, ignored = own[order], ignored[order]
    overlaps = _overlaps(boxes, wanted.boxes[own], wanted.crowd[own])
    sides = boxes[:, 2:] - boxes[:, :2]
    odd = (sides.prod(1) < areas[0]) | (sides.prod(1) > areas[1])
    hits = np.zeros((len(THRESHOLDS), len(boxes)), dtype=np.bool_)
    left_out = np.zeros_like(hits)
    for row, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(own), dtype=np.bool_)
        for number in range(len(boxes)):
            best = _best(overlaps[number], free, ignored, threshold)
            hits[row, number] = best is not None
            left_out[row, number] = odd[number] if best is None else ignored[best]
            if best is not None and not wanted.crowd[own[best]]:
                free[best] = False
    return hits, left_out, int((~ignored).sum())


def _best(overlaps: Floats, free: NDArray[np.bool_], ignored: NDArray[np.bool_], threshold: float) -> int | None:
    """Return the free object with the largest overlap, one that counts if any is hit; of equals the last."""
    for kind in (~ignored, ignored):
        hit = np.flatnonzero(free & kind & (overlaps >= min(threshold, 1 - 1e-10)))
        if len(hit):
            return int(hit[len(hit) - 1 - np.argmax(overlaps[hit][::-1])])
    return None


def _overlaps(boxes: Floats, wanted: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """Return the IoU of detections and objects, for crowds the share of the detection inside, ``(n, m)``."""
    low = np.maximum(boxes[:, None, :2], wanted[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], wanted[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area, other = ((each[:, 2:] - each[:, :2]).prod(1) for each in (boxes, wanted))
    union = np.where(crowd[None], area[:, None], area[:, None] + other[None] - both)
    return both / union
