"""The result of evaluating a detector: tables, what it finds, and what the intervals are made of."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from autola_analysis.analyses.evaluate.detection.found import Found
from autola_analysis.analyses.evaluate.detection.numbers import DetectionNumbers
from autola_analysis.analyses.evaluate.found_result import FoundResult, Parts
from autola_analysis.analyses.evaluate.result import NETWORK
from autola_analysis.core.columns import INTERVAL, count, number, text
from autola_analysis.core.results import Format
from autola_analysis.core.tables import Table

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
class DetectionResult(FoundResult):
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
    _PARTS = Parts(
        DETECTION_TABLE.name,
        (DETECTION_CLASS_TABLE.name, "per_class"),
        "classes",
        (FOUND, Found),
        (NUMBERS, DetectionNumbers),
    )

    per_class: pd.DataFrame
    found: Found
    numbers: DetectionNumbers
    classes: tuple[str, ...]
