"""The metrics that COCO reports of boxes and of joints, with a weight for every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import (
    ANY_AREA,
    BOXES,
    MOST,
    THRESHOLDS,
    Areas,
    Detections,
    Floats,
    Matches,
    average_precisions,
    match_areas,
    precision_curves,
    recalls,
)
from autola_analysis.inference.tasks.joint_similarity import JointSimilarity

Size = Literal["all", "small", "medium", "large"]
SIZES: Mapping[Size, Areas] = {
    "all": ANY_AREA,
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, ANY_AREA[1]),
}
"""Areas of objects, in pixels of the stored image"""


@dataclass(frozen=True)
class CocoMetric:
    """A number that COCO reports: a mean over classes and thresholds.

    Attributes:
        recall: Whether it is of recall rather than precision.
        size: Of the objects that count.
        most: Detections of an image and class that are looked at.
        threshold: The one IoU that decides; None for the mean over all.
    """

    recall: bool = False
    size: Size = "all"
    most: int = MOST
    threshold: float | None = None


METRICS: Mapping[str, CocoMetric] = {
    "ap": CocoMetric(),
    "ap50": CocoMetric(threshold=0.5),
    "ap75": CocoMetric(threshold=0.75),
    "ap_small": CocoMetric(size="small"),
    "ap_medium": CocoMetric(size="medium"),
    "ap_large": CocoMetric(size="large"),
    "ar1": CocoMetric(recall=True, most=1),
    "ar10": CocoMetric(recall=True, most=10),
    "ar100": CocoMetric(recall=True),
    "ar_small": CocoMetric(recall=True, size="small"),
    "ar_medium": CocoMetric(recall=True, size="medium"),
    "ar_large": CocoMetric(recall=True, size="large"),
}
"""Of boxes by name, in the order of COCO's summary"""
MOST_PEOPLE = 20
"""Detections of an image that are looked at where joints decide"""
KEYPOINT_METRICS: Mapping[str, CocoMetric] = {
    "ap": CocoMetric(most=MOST_PEOPLE),
    "ap50": CocoMetric(most=MOST_PEOPLE, threshold=0.5),
    "ap75": CocoMetric(most=MOST_PEOPLE, threshold=0.75),
    "ap_medium": CocoMetric(most=MOST_PEOPLE, size="medium"),
    "ap_large": CocoMetric(most=MOST_PEOPLE, size="large"),
    "ar": CocoMetric(recall=True, most=MOST_PEOPLE),
    "ar50": CocoMetric(recall=True, most=MOST_PEOPLE, threshold=0.5),
    "ar75": CocoMetric(recall=True, most=MOST_PEOPLE, threshold=0.75),
    "ar_medium": CocoMetric(recall=True, most=MOST_PEOPLE, size="medium"),
    "ar_large": CocoMetric(recall=True, most=MOST_PEOPLE, size="large"),
}
"""Of joints by name, in the order of COCO's summary"""

CURVES = (0.5, 0.75)
"""IoUs whose precision is shown at every recall"""


@dataclass(frozen=True)
class CocoSummary:
    """What COCO reports of a detector.

    Attributes:
        metrics: By name, see `METRICS` and `KEYPOINT_METRICS`; NaN where no class has objects.
        class_ap: Average precision of every class over all thresholds, ``(C,)``; NaN without objects.
        class_ap50: At an IoU of 0.5, ``(C,)``.
        curves: Precision at every recall for the IoUs of `CURVES`, the mean over the classes with objects,
            ``(2, 101)``.
    """

    metrics: Mapping[str, float]
    class_ap: Floats
    class_ap50: Floats
    curves: Floats


@dataclass(frozen=True)
class CocoMatches:
    """Detections of all images, matched once; any weights of images give metrics without matching again.

    Attributes:
        by_class: Per class the matches with the objects of every size.
        sigmas: How precisely every joint can be placed, where joints were matched; None of boxes.
    """

    by_class: Sequence[Mapping[Size, Matches]]
    sigmas: tuple[float, ...] | None = None

    @classmethod
    def of(
        cls,
        detections: Sequence[Detections],
        objects: Sequence[Objects],
        classes: int,
        sigmas: Sequence[float] | None = None,
    ) -> CocoMatches:
        """Match the detections of every image with its objects.

        Args:
            detections: Of every image.
            objects: Of every image.
            classes: Number of classes.
            sigmas: How precisely every joint can be placed, in shares of the root of a person's area, such as
                `COCO_SIGMAS`: joints are matched then, by their OKS; None matches boxes, by their IoU.
        """
        areas = list(SIZES.values())
        own = None if sigmas is None else tuple(sigmas)
        similarity, most = (BOXES, MOST) if own is None else (JointSimilarity(own), MOST_PEOPLE)
        matched = (match_areas(detections, objects, label, areas, similarity, most) for label in range(classes))
        return cls([dict(zip(SIZES, each, strict=True)) for each in matched], own)

    def objects(self, size: Size = "all") -> int:
        """Return the number of objects of a size that count."""
        return sum(int(each[size].objects.sum()) for each in self.by_class)

    def summary(self, weights: Floats | None = None) -> CocoSummary:
        """Return what COCO reports.

        Args:
            weights: Of the images, ``(N,)``; None for 1 each.
        """
        curves = np.stack([precision_curves(each["all"], weights) for each in self.by_class])
        precisions = {"all": curves.mean(2)}
        for size in SIZES:
            if size != "all":
                precisions[size] = np.stack([average_precisions(each[size], weights) for each in self.by_class])
        metrics = {}
        for name, metric in (METRICS if self.sigmas is None else KEYPOINT_METRICS).items():
            if metric.recall:
                matches = [each[metric.size] for each in self.by_class]
                values = np.stack([recalls(each, metric.most, weights) for each in matches])
            else:
                values = precisions[metric.size]
            rows = slice(None) if metric.threshold is None else [_row(metric.threshold)]
            metrics[name] = float(_over_classes(values[:, rows]).mean())
        rows = [_row(threshold) for threshold in CURVES]
        drawn = _over_classes(curves[:, rows].reshape(len(curves), -1)).reshape(len(rows), -1)
        return CocoSummary(metrics, precisions["all"].mean(1), precisions["all"][:, _row(0.5)], drawn)


def _row(threshold: float) -> int:
    return int(np.argmin(np.abs(THRESHOLDS - threshold)))


def _over_classes(values: Floats) -> Floats:
    """Return the mean over the classes, without those that have no objects."""
    known = values[~np.isnan(values).any(1)]
    return np.asarray(known.mean(0)) if len(known) else np.full(values.shape[1], np.nan)
