"""The metrics that COCO reports of boxes, with a weight for every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import (
    ANY_AREA,
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
"""By name, in the order of COCO's summary"""


CURVES = (0.5, 0.75)
"""IoUs whose precision is shown at every recall"""


@dataclass(frozen=True)
class CocoSummary:
    """What COCO reports of a detector.

    Attributes:
        metrics: By name, see `METRICS`; NaN where no class has objects.
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
    """

    by_class: Sequence[Mapping[Size, Matches]]

    @classmethod
    def of(cls, detections: Sequence[Detections], objects: Sequence[Objects], classes: int) -> CocoMatches:
        """Match the detections of every image with its objects.

        Args:
            detections: Of every image.
            objects: Of every image.
            classes: Number of classes.
        """
        areas = list(SIZES.values())
        matched = (match_areas(detections, objects, label, areas) for label in range(classes))
        return cls([dict(zip(SIZES, each, strict=True)) for each in matched])

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
        for name, metric in METRICS.items():
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
