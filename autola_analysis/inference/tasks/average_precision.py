"""Average precision of detections, as COCO defines it, with a weight for every image.

A weight of 2 stands for an image that is there twice, so that a bootstrap over images draws weights and matches once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
Areas = tuple[float, float]
"""Least and largest area of the objects that count, in pixels"""
ANY_AREA: Areas = (0.0, 1e10)


@dataclass(frozen=True)
class Detections:
    """The detections of one image.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the stored image, ``(n, 4)``.
        labels: Index of the class, ``(n,)``.
        scores: ``(n,)``.
        joints: x and y of every joint, ``(n, J, 2)``; the centre of the first pixel is 0. None of boxes alone.
    """

    boxes: Floats
    labels: NDArray[np.int64]
    scores: Floats
    joints: Floats | None = None


class Similarity(Protocol):
    """How alike detections and objects are."""

    def __call__(self, found: Detections, own: NDArray[np.int64], wanted: Objects, truth: NDArray[np.int64]) -> Floats:
        """Return the similarity of some detections of an image and some of its objects, ``(n, m)``, 0 to 1."""

    def ignored(self, wanted: Objects) -> NDArray[np.bool_]:
        """Return which objects can be hit and do not count, ``(m,)``."""

    def areas(self, found: Detections) -> Floats:
        """Return the areas of detections, ``(n,)``."""


@dataclass(frozen=True)
class BoxOverlap:
    """IoU of boxes, for crowds the share of the detection inside; crowds do not count."""

    def __call__(self, found: Detections, own: NDArray[np.int64], wanted: Objects, truth: NDArray[np.int64]) -> Floats:
        """Return the overlaps, ``(n, m)``."""
        return _overlaps(found.boxes[own], wanted.boxes[truth], wanted.crowd[truth])

    def ignored(self, wanted: Objects) -> NDArray[np.bool_]:
        """Return the crowds."""
        return wanted.crowd

    def areas(self, found: Detections) -> Floats:
        """Return the areas of the boxes."""
        return np.asarray((found.boxes[:, 2:] - found.boxes[:, :2]).prod(1))


BOXES = BoxOverlap()


@dataclass(frozen=True)
class Matches:
    """The detections of one class over all images, strongest first, and what they hit.

    Attributes:
        images: Index of the image of every detection, ``(D,)``.
        ranks: Number of stronger detections of the class in the same image, ``(D,)``.
        right: Whether a detection hits an object that counts, ``(thresholds, D)``.
        wrong: Whether it hits nothing, ``(thresholds, D)``; one that hits what is ignored is neither.
        objects: Number of objects that count in every image, ``(N,)``.
    """

    images: NDArray[np.int64]
    ranks: NDArray[np.int64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    objects: NDArray[np.int64]


def match_class(
    detections: Sequence[Detections], objects: Sequence[Objects], label: int, areas: Areas = ANY_AREA
) -> Matches:
    """Give detections of one class the objects that they hit, see `match_areas`."""
    return match_areas(detections, objects, label, [areas])[0]


def match_areas(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    label: int,
    areas: Sequence[Areas],
    similarity: Similarity = BOXES,
    most: int = MOST,
) -> list[Matches]:
    """Give detections of one class the objects that they hit, by descending score, each object once.

    Args:
        detections: Of every image.
        objects: Of every image.
        label: Index of the class.
        areas: For every result, least and largest area of the objects that count; others and crowds are ignored, and
            so are detections that hit those, or hit nothing and have another area.
        similarity: What decides whether a detection hits an object.
        most: Detections of an image that are looked at, the strongest.

    References:
        Lin et al., "Microsoft COCO", ECCV 2014; cocodataset.org, detection evaluation.
    """
    rows = (len(areas), len(THRESHOLDS))
    images, ranks, scores = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    hits, left_out = [np.empty((*rows, 0), np.bool_)], [np.empty((*rows, 0), np.bool_)]
    counts = np.zeros((len(areas), len(objects)), dtype=np.int64)
    for index, (found, wanted) in enumerate(zip(detections, objects, strict=True)):
        own = np.flatnonzero(found.labels == label)
        own = own[np.argsort(-found.scores[own], kind="stable")[:most]]
        truth = np.flatnonzero(wanted.labels == label)
        if not len(own) and not len(truth):
            continue
        ignored = similarity.ignored(wanted)[truth] | ~_inside(wanted.areas[truth], areas)
        counts[:, index] = (~ignored).sum(1)
        hit, ignoring = _match_image(similarity(found, own, wanted, truth), wanted.crowd[truth], ignored)
        odd = ~_inside(similarity.areas(found)[own], areas)[:, None]
        images.append(np.full(len(own), index))
        ranks.append(np.arange(len(own)))
        scores.append(found.scores[own])
        hits.append(hit)
        left_out.append(np.where(hit, ignoring, odd))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hit, ignored = np.concatenate(hits, 2)[..., order], np.concatenate(left_out, 2)[..., order]
    places = np.concatenate(images)[order], np.concatenate(ranks)[order]
    return [
        Matches(*places, hit[row] & ~ignored[row], ~hit[row] & ~ignored[row], counts[row]) for row in range(len(areas))
    ]


def average_precisions(matches: Matches, weights: Floats | None = None) -> Floats:
    """Return the average precision of a class at every threshold ``(thresholds,)``; NaN without objects.

    Args:
        matches: Of the class.
        weights: Of the images, ``(N,)``; None for 1 each.
    """
    return precision_curves(matches, weights).mean(1)


def precision_curves(matches: Matches, weights: Floats | None = None) -> Floats:
    """Return the precision of a class at every threshold and recall ``(thresholds, 101)``; NaN without objects.

    It is the largest precision at this recall or a higher one, and 0 at recalls that are not reached.

    Args:
        matches: Of the class.
        weights: Of the images, ``(N,)``; None for 1 each.
    """
    weights = np.ones(len(matches.objects)) if weights is None else weights
    total = float(weights @ matches.objects)
    if total == 0:
        return np.full((len(THRESHOLDS), len(RECALLS)), np.nan)
    own = weights[matches.images]
    right, wrong = np.cumsum(matches.right * own, 1), np.cumsum(matches.wrong * own, 1)
    precision = right / (right + wrong + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    envelope = np.concatenate([envelope, np.zeros((len(envelope), 1))], 1)
    places = [np.searchsorted(recall, RECALLS, side="left") for recall in right / total]
    return np.take_along_axis(envelope, np.array(places), 1)


def recalls(matches: Matches, most: int = MOST, weights: Floats | None = None) -> Floats:
    """Return the share of a class's objects that are hit at every threshold ``(thresholds,)``; NaN without objects.

    Args:
        matches: Of the class.
        most: Detections of an image that are looked at, the strongest.
        weights: Of the images, ``(N,)``; None for 1 each.
    """
    weights = np.ones(len(matches.objects)) if weights is None else weights
    total = float(weights @ matches.objects)
    if total == 0:
        return np.full(len(THRESHOLDS), np.nan)
    return np.asarray(matches.right @ (weights[matches.images] * (matches.ranks < most)) / total)


def _inside(values: Floats, areas: Sequence[Areas]) -> NDArray[np.bool_]:
    """Return which areas lie in which range, ``(areas, n)``."""
    low, high = np.array(areas).T[..., None]
    return np.asarray((values >= low) & (values <= high))


def _match_image(
    overlaps: Floats, crowd: NDArray[np.bool_], ignored: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which detections hit something, and which of these something ignored, ``(areas, thresholds, n)``.

    A detection takes the free object with the largest overlap, of equals the last, and one that counts before those
    that are ignored ``(areas, m)``. Crowds are never taken.
    """
    count, wanted = overlaps.shape
    hits = np.zeros((len(ignored), len(THRESHOLDS), count), dtype=np.bool_)
    ignoring = np.zeros_like(hits)
    free = np.ones((*hits.shape[:2], wanted), dtype=np.bool_)
    least = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    for number in np.flatnonzero(overlaps.max(1, initial=0) >= least.min()):
        reached = free & (overlaps[number] >= least)
        counting = reached & ~ignored[:, None]
        counts = counting.any(2)
        possible = np.where(counts[..., None], counting, reached)
        best = wanted - 1 - np.where(possible, overlaps[number], -1.0)[..., ::-1].argmax(2)
        hit = reached.any(2)
        hits[..., number], ignoring[..., number] = hit, hit & ~counts
        row, threshold = np.nonzero(hit & ~crowd[best])
        free[row, threshold, best[row, threshold]] = False
    return hits, ignoring


def box_overlaps(boxes: Floats, wanted: Floats) -> Floats:
    """Return the IoU of some boxes with some others, ``(n, m)``."""
    return _overlaps(boxes, wanted, np.zeros(len(wanted), dtype=np.bool_))


def _overlaps(boxes: Floats, wanted: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """Return the IoU of detections and objects, for crowds the share of the detection inside, ``(n, m)``."""
    low = np.maximum(boxes[:, None, :2], wanted[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], wanted[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area, other = ((each[:, 2:] - each[:, :2]).prod(1) for each in (boxes, wanted))
    union = np.where(crowd[None], area[:, None], area[:, None] + other[None] - both)
    return both / union
