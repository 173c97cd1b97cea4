"""COCO's keypoint metrics, and every joint by itself, as dots with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from autola_analysis.analyses.evaluate.dots_figure import DOT_INCHES, draw_dots, variants_below
from autola_analysis.analyses.evaluate.found_result import numbers_of, to_draw
from autola_analysis.analyses.evaluate.keypoints.result import KeypointResult
from autola_analysis.analyses.evaluate.keypoints.rows import joint_estimates
from autola_analysis.analyses.evaluate.metrics_figure import metrics_figure
from autola_analysis.inference.tasks.coco_metrics import KEYPOINT_METRICS
from autola_analysis.report.style import figure_width, paper_style

TITLES = {
    "ap": "AP",
    "ap50": "AP at OKS 0.50",
    "ap75": "AP at OKS 0.75",
    "ap_medium": "AP, medium",
    "ap_large": "AP, large",
    "ar": "recall",
    "ar50": "recall at OKS 0.50",
    "ar75": "recall at OKS 0.75",
    "ar_medium": "recall, medium",
    "ar_large": "recall, large",
}
ROW_INCHES = 0.1
JOINTS = "joints"


def plot_keypoint_precision(
    results: KeypointResult | Sequence[KeypointResult], width: str | float = "neurips"
) -> Figure:
    """Draw COCO's keypoint metrics: a row per metric, a dot with its 95% interval per variant.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is no result.
    """
    return metrics_figure(numbers_of(to_draw(results, JOINTS)), list(KEYPOINT_METRICS), TITLES, width)


def plot_joints(results: KeypointResult | Sequence[KeypointResult], width: str | float = "neurips") -> Figure:
    """Draw every joint by itself: the share that is found, and the mean error, a row per joint.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is no result.
    """
    several = to_draw(results, JOINTS)
    numbers, first = numbers_of(several), several[0]
    labelled = next(iter(numbers.values()))[0].labelled.sum(0)
    shown = [int(joint) for joint in np.flatnonzero(labelled)]
    names = [*(name.replace("_", " ") for name in first.joints), "all joints"]
    runs = {name: len(each) for name, each in numbers.items()}
    with paper_style():
        height = len(shown) * (DOT_INCHES * len(numbers) + ROW_INCHES) + 0.9
        figure = Figure(figsize=(figure_width(width), height), layout="constrained")
        within, errors = figure.subplots(1, 2, sharey=True)
        for ax, of_errors, label in (
            (within, False, "share within OKS 0.5, 95% interval"),
            (errors, True, "mean error in pixels, 95% interval"),
        ):
            rows = joint_estimates(numbers, shown, of_errors)
            draw_dots(ax, [names[joint] for joint in shown], rows, label, shares=not of_errors)
        errors.set_xlim(left=0)
        variants_below(figure, runs)
        return figure
