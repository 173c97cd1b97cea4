"""Spatial gates on objects: how much higher each is inside objects than outside, over the depth of the network."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autola_analysis.analyses.gates.figure import STAGE
from autola_analysis.analyses.gates.result import GateResult
from autola_analysis.analyses.object_items import JOINTS
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import figure_width, paper_style, variant_colours

PANEL_INCHES = 1.5


def contrast_rows(result: GateResult) -> pd.DataFrame:
    """Return the rows of a network's spatial gates whose contrast on objects is known, in order of depth."""
    return result.gates.dropna(subset=["object_contrast"]).reset_index(drop=True)


def plot_contrast(results: Sequence[GateResult], width: str | float = "neurips") -> Figure:
    """Draw the object contrast of every spatial gate with its interval: a panel per network.

    Args:
        results: In the order they are to be drawn; those without a spatial gate are passed over.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If no network has a spatial gate whose contrast is known.
    """
    known = [result for result in results if len(contrast_rows(result))]
    colours = variant_colours(result.model for result in results)
    if not known:
        raise OptionError("no network has a spatial gate whose contrast on objects is known.")
    with paper_style():
        figure = Figure(figsize=(figure_width(width), PANEL_INCHES + 0.4), layout="constrained")
        axes = figure.subplots(1, len(known), sharey=True, squeeze=False)[0]
        for ax, result in zip(axes, known, strict=True):
            _draw(ax, contrast_rows(result), colours[result.model])
            ax.set_title(result.model)
        of_joints = known[0].items == JOINTS
        axes[0].set_ylabel("gate at joints\nless beside them" if of_joints else "gate inside objects\nless outside")
    return figure


def _draw(ax: Axes, rows: pd.DataFrame, colour: str) -> None:
    places = range(len(rows))
    ax.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    ax.vlines(places, rows["object_contrast_low"], rows["object_contrast_high"], color=colour, linewidth=0.9)
    ax.plot(places, rows["object_contrast"], "o", color=colour, markersize=3)
    stages = [found[1] if (found := STAGE.match(module)) else module for module in rows["module"]]
    first = {stage: stages.index(stage) for stage in dict.fromkeys(stages)}
    for place in [*first.values()][1:]:
        ax.axvline(place - 0.5, color="0.88", linewidth=0.5, zorder=0)
    ax.set_xlim(-0.5, len(rows) - 0.5)
    ax.set_xticks(list(first.values()), [stage.rpartition(".")[2] for stage in first], ha="left")
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("spatial gates in order of depth")
