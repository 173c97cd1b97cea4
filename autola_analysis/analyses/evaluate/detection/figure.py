"""Average precision as dots with intervals, and precision over recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autola_analysis.analyses.evaluate.detection.numbers import DetectionNumbers
from autola_analysis.analyses.evaluate.detection.result import DetectionResult
from autola_analysis.analyses.evaluate.detection.rows import class_estimates, most_different
from autola_analysis.analyses.evaluate.dots_figure import dots_figure, variants_below
from autola_analysis.analyses.evaluate.found_result import numbers_of, to_draw
from autola_analysis.analyses.evaluate.metrics_figure import metrics_figure
from autola_analysis.inference.tasks.average_precision import RECALLS
from autola_analysis.inference.tasks.coco_metrics import CURVES, METRICS
from autola_analysis.report.style import figure_width, paper_style, variant_colours

SHOWN_CLASSES = 20
DETECTIONS = "detections"
BAND = (0.025, 0.975)  # quantiles over images drawn again
TITLES = {
    "ap": "AP",
    "ap50": "AP at IoU 0.50",
    "ap75": "AP at IoU 0.75",
    "ap_small": "AP, small",
    "ap_medium": "AP, medium",
    "ap_large": "AP, large",
    "ar1": "recall, 1 detection",
    "ar10": "recall, 10 detections",
    "ar100": "recall, 100 detections",
    "ar_small": "recall, small",
    "ar_medium": "recall, medium",
    "ar_large": "recall, large",
}


def plot_average_precision(
    results: DetectionResult | Sequence[DetectionResult], width: str | float = "neurips"
) -> Figure:
    """Draw COCO's metrics: a row per metric, a dot with its 95% interval per variant.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is no result.
    """
    return metrics_figure(numbers_of(to_draw(results, DETECTIONS)), list(METRICS), TITLES, width)


def plot_class_precision(
    results: DetectionResult | Sequence[DetectionResult], width: str | float = "neurips"
) -> Figure:
    """Draw the average precision of every class: a row per class, a dot with its 95% interval per variant.

    Of more than 20 classes the 20 are drawn that differ most between variants (of a single variant, the worst).

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is no result.
    """
    several = to_draw(results, DETECTIONS)
    numbers, classes = numbers_of(several), several[0].classes
    shown = most_different(numbers, SHOWN_CLASSES)
    runs = {name: len(each) for name, each in numbers.items()}
    with paper_style():
        names = [classes[label] for label in shown]
        return dots_figure(names, class_estimates(numbers, shown), runs, "AP of the class, 95% interval", width)


@overload
def plot_precision_recall(
    results: DetectionResult | Sequence[DetectionResult], width: str | float = ..., ax: None = ...
) -> Figure: ...
@overload
def plot_precision_recall(
    results: DetectionResult | Sequence[DetectionResult], width: str | float = ..., *, ax: Axes
) -> Axes: ...
def plot_precision_recall(
    results: DetectionResult | Sequence[DetectionResult], width: str | float = "neurips", ax: Axes | None = None
) -> Figure | Axes:
    """Draw precision over recall, the mean over classes, in a band of 95% of the curves over images drawn again.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
        ax: Where to draw the curves at an IoU of 0.5 instead; the figure has those at 0.75 beside them.

    Returns:
        The figure, or `ax`.

    Raises:
        OptionError: If there is no result.
    """
    numbers = numbers_of(to_draw(results, DETECTIONS))
    with paper_style():
        if ax is not None:
            _draw_curves(ax, numbers, 0)
            ax.legend(loc="best")
            return ax
        inches = figure_width(width)
        figure = Figure(figsize=(inches, min(inches / 2, 2.9) + 0.35), layout="constrained")
        for curve, panel in enumerate(figure.subplots(1, len(CURVES), sharey=True)):
            _draw_curves(panel, numbers, curve)
            panel.set_ylabel("precision" if curve == 0 else "")
        variants_below(figure, {name: len(runs) for name, runs in numbers.items()}, marker="")
        return figure


def _draw_curves(ax: Axes, numbers: dict[str, list[DetectionNumbers]], curve: int) -> None:
    colours = variant_colours(numbers)
    for name, runs in numbers.items():
        colour = colours[name]
        ax.plot(RECALLS, np.mean([each.curves[curve] for each in runs], axis=0), color=colour, linewidth=1, label=name)
        drawn = np.mean([each.curves_drawn[:, curve] for each in runs], axis=0)
        ax.fill_between(RECALLS, *np.nanquantile(drawn, BAND, axis=0), color=colour, alpha=0.15, linewidth=0)
    ax.set_title(f"IoU {CURVES[curve]:.2f}")
    ax.set_xlabel("recall")
    ax.set_ylabel("precision")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
