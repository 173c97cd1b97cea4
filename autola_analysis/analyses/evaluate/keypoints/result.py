"""The result of evaluating a network for joints: tables, whom it finds, and what the intervals are made of."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from autola_analysis.analyses.evaluate.found_result import FoundResult, Parts
from autola_analysis.analyses.evaluate.keypoints.numbers import KeypointNumbers
from autola_analysis.analyses.evaluate.keypoints.people import People
from autola_analysis.analyses.evaluate.result import NETWORK
from autola_analysis.core.columns import INTERVAL, count, number, text
from autola_analysis.core.results import Format
from autola_analysis.core.tables import Table

CONTROL = "mean pose"
"""Name of what knows nothing but the box: every joint at its mean place in the boxes"""
ANNOTATED = "annotated"
"""What settings call the boxes that people are cut out by, where no file gives others"""
ALL_JOINTS = "all"
KEYPOINT_TABLE = Table(
    "evaluation_keypoints",
    (
        *NETWORK,
        text(
            "metric",
            "of COCO's keypoint evaluation: ap, the mean over the OKS 0.50 to 0.95; ap50, ap75 at one OKS; ap_medium, "
            "ap_large by the people's area (32 and 96 pixels squared); ar, ar50, ar75, ar_medium, ar_large, the recall",
        ),
        count("images", "number of images"),
        count("people", "that count: with a labelled joint, crowds left out"),
        number("value", "missing where nobody is of the size"),
        *INTERVAL,
    ),
    latex=True,
)
JOINT_TABLE = Table(
    "evaluation_joints",
    (
        *NETWORK,
        text("joint", f"name of the joint; {ALL_JOINTS} for all together"),
        count("labelled", "number of labelled joints"),
        number("within_oks50", "share of them whose own OKS is at least 0.5"),
        *INTERVAL,
        number("within_oks90", "share of them whose own OKS is at least 0.9"),
        number("strict_ci_low", "lower limit of its 95% interval"),
        number("strict_ci_high", "upper limit of its 95% interval"),
        number("mean_error_px", "mean distance from the label, in pixels of the stored images"),
        number("error_ci_low", "lower limit of its 95% interval"),
        number("error_ci_high", "upper limit of its 95% interval"),
    ),
    latex=True,
)
FOUND, NUMBERS = "evaluation_people", "evaluation_keypoint_numbers"
KEYPOINT_FORMAT = Format("keypoints", (KEYPOINT_TABLE, JOINT_TABLE), (FOUND, NUMBERS))


@dataclass(frozen=True, repr=False)
class KeypointResult(FoundResult):
    """How well one network finds the joints of people.

    Attributes:
        model: Name of the variant, or "mean pose" for what knows nothing but the boxes.
        run: Name of the training run within the variant.
        metrics: A row per metric, columns of `KEYPOINT_TABLE`.
        per_joint: A row per joint, columns of `JOINT_TABLE`.
        found: People with their joints, in pixels of the stored images.
        numbers: What metrics and intervals are made of.
        joints: Names of the joints.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside the numbers.
    """

    FORMAT = KEYPOINT_FORMAT
    _PARTS = Parts(
        KEYPOINT_TABLE.name, (JOINT_TABLE.name, "per_joint"), "joints", (FOUND, People), (NUMBERS, KeypointNumbers)
    )

    per_joint: pd.DataFrame
    found: People
    numbers: KeypointNumbers
    joints: tuple[str, ...]
