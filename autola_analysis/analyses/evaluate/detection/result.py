"""The result of evaluating a detector: tables, what it finds, and what the intervals are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Self

import pandas as pd

from autola_analysis.analyses.evaluate.detection.found import Found
from autola_analysis.analyses.evaluate.detection.numbers import DetectionNumbers
from autola_analysis.analyses.evaluate.result import NETWORK
from autola_analysis.core.columns import INTERVAL, count, number, text
from autola_analysis.core.results import Arrays, Format, NetworkResult, Stored
from autola_analysis.core.tables import Table, rows_of

DETECTION_TABLE = Table(
    "evaluation_detection",
    (
        *NETWORK,
        text(
            "metric",
            "of COCO: ap, the mean over the IoUs 0.50 to 0.95 and all classes; ap50, ap75 at one IoU; ap_small, "
            "ap_medium, ap_large by the objects' area (32 and 96 pixels squared); ar1, ar10, ar100, the recall with so "
            "many detections of an image and class; ar_small, ar_medium, ar_large",
        ),
        count("images", "number of images"),
        count("objects", "that count, crowds left out"),
        number("value", "missing where no object is of the size"),
        *INTERVAL,
    ),
    latex=True,
)
DETECTION_CLASS_TABLE = Table(
    "evaluation_detection_classes",
    (
        *NETWORK,
        text("class", "name of the class"),
        count("objects", "of the class, crowds left out"),
        number("ap", "average precision over the IoUs 0.50 to 0.95; missing without objects"),
        *INTERVAL,
        number("ap50", "average precision at an IoU of 0.50"),
    ),
)
FOUND, NUMBERS = "evaluation_detections", "evaluation_detection_numbers"
DETECTION_FORMAT = Format("detection", (DETECTION_TABLE, DETECTION_CLASS_TABLE), (FOUND, NUMBERS))


@dataclass(frozen=True, repr=False)
class DetectionResult(NetworkResult):
    """How well one detector finds objects.

    Attributes:
        model: Name of the variant, or of a file of detections.
        run: Name of the training run within the variant.
        metrics: A row per metric, columns of `DETECTION_TABLE`.
        per_class: A row per class, columns of `DETECTION_CLASS_TABLE`.
        found: Detections in pixels of the stored images.
        numbers: What metrics, intervals and curves are made of.
        classes: Class names of the data.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside the numbers.
    """

    FORMAT = DETECTION_FORMAT

    model: str
    run: str
    metrics: pd.DataFrame
    per_class: pd.DataFrame
    found: Found
    numbers: DetectionNumbers
    classes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @classmethod
    def together(cls, results: Sequence[Self], over_runs: Sequence[tuple[pd.DataFrame, pd.DataFrame]] = ()) -> Stored:
        """Return the results of some detectors as tables and arrays.

        Args:
            results: One per detector.
            over_runs: Rows of variants over all their runs, for both tables.
        """
        about = [
            {
                "model": each.model,
                "run": each.run,
                "classes": list(each.classes),
                "settings": dict(each.settings),
                "warnings": list(each.warnings),
            }
            for each in results
        ]
        metrics = [*(each.metrics for each in results), *(rows for rows, _ in over_runs)]
        per_class = [*(each.per_class for each in results), *(rows for _, rows in over_runs)]
        found, numbers = (
            {
                f"{each.model}/{each.run}/{name}": array
                for each in results
                for name, array in part(each).arrays().items()
            }
            for part in (attrgetter("found"), attrgetter("numbers"))
        )
        return Stored(
            {
                DETECTION_TABLE.name: pd.concat(metrics, ignore_index=True),
                DETECTION_CLASS_TABLE.name: pd.concat(per_class, ignore_index=True),
            },
            {FOUND: Arrays(found, about), NUMBERS: Arrays(numbers)},
        )

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the results that `together` gave these tables and arrays."""
        results = []
        for each in stored.arrays[FOUND].about:
            names = {"model": each["model"], "run": each["run"]}
            prefix = f"{each['model']}/{each['run']}/"
            found, numbers = (
                {part.name: stored.arrays[name].values[prefix + part.name] for part in fields(kind)}
                for name, kind in ((FOUND, Found), (NUMBERS, DetectionNumbers))
            )
            results.append(
                cls(
                    **names,
                    metrics=rows_of(stored.tables[DETECTION_TABLE.name], **names),
                    per_class=rows_of(stored.tables[DETECTION_CLASS_TABLE.name], **names),
                    found=Found(**found),
                    numbers=DetectionNumbers(**numbers),
                    classes=tuple(each["classes"]),
                    settings=each["settings"],
                    warnings=tuple(each["warnings"]),
                )
            )
        return results

    def _repr_html_(self) -> str:
        html: str = self.metrics.to_html(index=False, float_format="{:.4f}".format)
        return html
