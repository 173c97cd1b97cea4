"""The numbers of one detector, and the same over images drawn again: what intervals are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.progress import progress_bar
from autola_analysis.inference.tasks.coco_metrics import METRICS, CocoMatches, CocoSummary
from autola_analysis.statistics.resampled import Resampled, image_weights

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DetectionNumbers:
    """Average precision and recall of a detector; NaN without objects.

    Attributes:
        metrics: Of COCO's metrics in the order of `METRICS`, ``(M,)``.
        class_ap: Of every class over all IoUs, ``(C,)``.
        class_ap50: At an IoU of 0.5, ``(C,)``.
        curves: Precision at 101 recalls for the IoUs 0.5 and 0.75, the mean over classes, ``(2, 101)``.
        metrics_drawn: `metrics` over images drawn again, ``(R, M)``.
        class_ap_drawn: `class_ap` over the same, ``(R, C)``.
        curves_drawn: `curves` over the same, ``(R, 2, 101)``.
        images: Number of images, ``()``.
    """

    metrics: FloatArray
    class_ap: FloatArray
    class_ap50: FloatArray
    curves: FloatArray
    metrics_drawn: FloatArray
    class_ap_drawn: FloatArray
    curves_drawn: FloatArray
    images: NDArray[np.int64]

    @classmethod
    def of(cls, matches: CocoMatches, images: int, seed: int, quiet: bool = True) -> Self:
        """Compute all numbers.

        Args:
            matches: Of all images.
            images: Number of images.
            seed: Of the draws.
            quiet: Whether to show no progress.
        """
        summary, drawn = matches.summary(), []
        weights = image_weights(images, seed)
        with progress_bar(len(weights), "images drawn again", unit="draws", quiet=quiet) as bar:
            for row in weights:
                drawn.append(matches.summary(row.astype(float)))
                bar.update()
        return cls(
            _metrics(summary),
            summary.class_ap,
            summary.class_ap50,
            summary.curves,
            np.stack([_metrics(each) for each in drawn]),
            np.stack([each.class_ap for each in drawn]),
            np.stack([each.curves for each in drawn]),
            np.array(images),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def class_ap_of(runs: Sequence[DetectionNumbers], label: int) -> Resampled:
    """Return the average precision of a class of some runs."""
    return _resampled(runs, [each.class_ap[label] for each in runs], [each.class_ap_drawn[:, label] for each in runs])


def _metrics(summary: CocoSummary) -> FloatArray:
    return np.array([summary.metrics[name] for name in METRICS])


def _resampled(runs: Sequence[DetectionNumbers], values: Sequence[float], drawn: Sequence[FloatArray]) -> Resampled:
    return Resampled(np.array(values, dtype=float), np.stack(drawn), int(runs[0].images))
