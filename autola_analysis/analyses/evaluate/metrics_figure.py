"""COCO's metrics of variants as rows of dots, whatever was looked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from autola_analysis.analyses.evaluate.coco_numbers import CocoNumbers, known_metrics, metric_of
from autola_analysis.analyses.evaluate.dots_figure import dots_figure
from autola_analysis.analyses.evaluate.estimates import triple
from autola_analysis.report.style import paper_style


def metrics_figure(
    numbers: Mapping[str, Sequence[CocoNumbers]], metrics: Sequence[str], titles: Mapping[str, str], width: str | float
) -> Figure:
    """Draw a row per metric that the data have objects for, a dot with its 95% interval per variant.

    Args:
        numbers: Of the runs of every variant.
        metrics: Names of all metrics, in the order of the numbers.
        titles: Of all metrics by their names.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
    """
    shown = known_metrics(numbers, metrics)
    estimates = {name: [triple(metric_of(runs, metrics, metric)) for metric in shown] for name, runs in numbers.items()}
    counts = {name: len(runs) for name, runs in numbers.items()}
    with paper_style():
        names = [titles[metric] for metric in shown]
        return dots_figure(names, estimates, counts, "average precision or recall, 95% interval", width)
