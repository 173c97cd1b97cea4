"""The sanity check: how much of the maps is left while the weights are drawn anew, beside two baselines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autola_analysis.analyses.saliency.methods import title_of
from autola_analysis.analyses.saliency.sanity.result import OTHER_IMAGES, OTHER_RUNS, SanityResult
from autola_analysis.core.errors import OptionError
from autola_analysis.core.tables import rows_of
from autola_analysis.core.text import last_parts
from autola_analysis.report.style import figure_width, paper_style, variant_colours

PANEL_INCHES = 1.0
"""Narrowest panel: where variants do not fit beside each other, they stand below each other."""
LEGEND_INCHES = 4.5
"""Narrowest figure that holds the legend on one line."""
ROW_INCHES = 1.2
BASELINE_COLOURS = {OTHER_IMAGES: "0.2", OTHER_RUNS: "0.45"}
BASELINE_DASHES = {OTHER_IMAGES: (0, (4, 1.5)), OTHER_RUNS: (0, (1, 1.2))}
BASELINE_NAMES = {OTHER_IMAGES: "maps of other images", OTHER_RUNS: "same images, another training run"}


def plot_sanity(results: SanityResult | Sequence[SanityResult], width: str | float = "neurips") -> Figure:
    """Draw the rank correlation with the original map while the network is randomised from the head down.

    A panel per method and variant. Bands are 95% intervals; horizontal lines are the baselines of the network.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is nothing to draw.
    """
    results = [results] if isinstance(results, SanityResult) else list(results)
    if not results or all(result.table.empty for result in results):
        raise OptionError("there is no sanity check to draw.")
    table = pd.concat([result.table for result in results], ignore_index=True)
    baselines = pd.concat([result.baselines for result in results], ignore_index=True)
    methods = list(dict.fromkeys(zip(table["method"], table["layer"], strict=True)))
    titles = last_parts(list(dict.fromkeys(layer for _, layer in methods)))
    variants = list(dict.fromkeys(table["model"]))
    colours = variant_colours(variants)
    with paper_style():
        inches = figure_width(width)
        variants_beside = inches / len(variants) >= PANEL_INCHES
        shape = (len(methods), len(variants)) if variants_beside else (len(variants), len(methods))
        figure = Figure(figsize=(inches, ROW_INCHES * shape[0] + 1), layout="constrained")
        grid = figure.subplots(*shape, sharex="col", sharey=True, squeeze=False)
        panels = grid if variants_beside else grid.T
        for row, (method, layer) in enumerate(methods):
            title = "\n".join([*textwrap.wrap(title_of(method), 15), *([titles[layer]] if layer else [])])
            for column, variant in enumerate(variants):
                names = {"model": variant, "method": method, "layer": layer}
                _draw(panels[row, column], rows_of(table, **names), rows_of(baselines, **names), colours[variant])
            _label(panels[row, 0], title, variants_beside)
        for column, variant in enumerate(variants):
            _label(panels[0, column], variant, not variants_beside)
        figure.supxlabel("randomised from the head down to", fontsize=8)
        figure.supylabel("rank correlation with the original map", fontsize=8)
        figure.legend(handles=_legend(baselines), loc="outside upper center", ncols=2 if inches >= LEGEND_INCHES else 1)
    return figure


def _label(ax: Axes, text: str, beside: bool) -> None:
    """Name a row of panels beside its first one, or a column above it."""
    if beside:
        ax.set_ylabel(text)
    else:
        ax.set_title(text)


def _draw(ax: Axes, stages: pd.DataFrame, baselines: pd.DataFrame, colour: str) -> None:
    """Draw one method of one network: its curve from the trained network on, and its baselines."""
    steps = np.arange(len(stages) + 1)
    ax.axhline(0, color="0.8", linewidth=0.5, zorder=0)
    for row in baselines.to_dict("records"):
        baseline = str(row["baseline"])
        ax.axhspan(row["ci_low"], row["ci_high"], color=BASELINE_COLOURS[baseline], alpha=0.13, linewidth=0, zorder=0)
        ax.axhline(
            row["rank_correlation"], color=BASELINE_COLOURS[baseline], linewidth=0.9,
            linestyle=BASELINE_DASHES[baseline], zorder=1,
        )  # fmt: skip
    ax.fill_between(steps[1:], stages["ci_low"], stages["ci_high"], color=colour, alpha=0.25, linewidth=0)
    ax.plot(steps, [1.0, *stages["rank_correlation"]], color=colour, marker="o", markersize=2.2, linewidth=1)
    parts = last_parts(list(stages["randomised_to"]))
    ax.set_xticks(steps, ["trained", *parts.values()], rotation=90)


def _legend(baselines: pd.DataFrame) -> list[Line2D]:
    return [
        Line2D([], [], color=BASELINE_COLOURS[name], linewidth=0.9, linestyle=BASELINE_DASHES[name], label=label)
        for name, label in BASELINE_NAMES.items()
        if name in set(baselines["baseline"])
    ]
