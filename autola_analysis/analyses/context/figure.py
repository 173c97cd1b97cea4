"""Accuracy by kind of surroundings, and the images behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from autola_analysis.analyses.context.kinds import PASTED_BACK, UNALTERED
from autola_analysis.analyses.context.result import AlteredPicture, ContextResult
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import figure_width, legend_columns, paper_style, variant_colours

TITLES = {"accuracy": "top-1 accuracy", "accuracy_drop": "drop below the control"}
DOT_INCHES = 0.085
# Inches of the sheet of pictures.
GAP, MARGIN, HEAD, LABEL = 0.03, 0.04, 0.30, 0.13


def plot_context(result: ContextResult, width: str | float = "neurips") -> Figure:
    """Draw accuracy by kind, and how far it lies below the control, with 95% intervals: a dot per variant.

    The control of a kind is the object pasted back, and that of the object pasted back the image as it is. A dashed
    line is what guessing gives.

    Args:
        result: Of the measurement.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is nothing to draw.
    """
    if result.summary.empty:
        raise OptionError("there is no accuracy to draw.")
    kinds, models = shown_kinds(result), result.models
    with paper_style():
        height = len(kinds) * (DOT_INCHES * len(models) + 0.1) + 0.85
        figure = Figure(figsize=(figure_width(width), height), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for ax, metric in ((left, "accuracy"), (right, "accuracy_drop")):
            _draw_metric(ax, result.summary[result.summary["metric"] == metric], kinds, models)
            ax.set_xlabel(f"{TITLES[metric]}, 95% interval")
        chance = 1 / result.settings["classes"]
        if left.get_xlim()[0] < 2 * chance:
            left.axvline(chance, color="0.6", linewidth=0.7, linestyle="--", zorder=0)
        right.axvline(0, color="0.6", linewidth=0.7, zorder=0)
        left.set_yticks(range(len(kinds)), [kind.replace("-", " ") for kind in kinds])
        left.set_ylim(len(kinds) - 0.5, -0.5)
        handles = _legend(result)
        columns = legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth())
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def shown_kinds(result: ContextResult) -> list[str]:
    """Return the kinds to draw: without the control where that is the image as it is."""
    return [kind for kind in result.kinds if kind != PASTED_BACK or not result.settings["exact"]]


def _draw_metric(ax: Axes, rows: pd.DataFrame, kinds: Sequence[str], models: Sequence[str]) -> None:
    places = {kind: place for place, kind in enumerate(kinds)}
    colours = variant_colours(models)
    for position, model in enumerate(models):
        own = rows[(rows["model"] == model) & rows["kind"].isin(kinds)]
        offset = (position - (len(models) - 1) / 2) * 0.7 / len(models)
        y = np.array([places[kind] for kind in own["kind"]], dtype=float) + offset
        colour = colours[model]
        ax.hlines(y, own["ci_low"], own["ci_high"], color=colour, linewidth=0.9)
        ax.plot(own["value"], y, "o", color=colour, markersize=3)
    for edge in np.arange(len(kinds) - 1) + 0.5:
        ax.axhline(edge, color="0.88", linewidth=0.5, zorder=0)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(4))


def _legend(result: ContextResult) -> list[Line2D]:
    handles, colours = [], variant_colours(result.models)
    for model in result.models:
        runs = result.summary.loc[result.summary["model"] == model, "runs"].iloc[0]
        label = f"{model} ({runs} runs)" if runs > 1 else model
        colour = colours[model]
        handles.append(Line2D([], [], color=colour, marker="o", markersize=3, linewidth=0.9, label=label))
    return handles


def plot_altered_images(pictures: Sequence[AlteredPicture], width: str | float = "neurips") -> Figure:
    """Draw images and what was made of them: a row per image, a column per kind, the class below the first.

    Args:
        pictures: As `ContextResult.pictures` has them.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is nothing to draw.
    """
    if not pictures:
        raise OptionError("there is no altered image to draw.")
    kinds = list(pictures[0].pixels)
    inches = figure_width(width)
    side = (inches - 2 * MARGIN - GAP * (len(kinds) - 1)) / len(kinds)
    rows, columns = pictures[0].pixels[UNALTERED].shape[:2]
    height = side * rows / columns
    total = HEAD + len(pictures) * (height + LABEL) + MARGIN
    with paper_style():
        figure = Figure(figsize=(inches, total))
        for row, picture in enumerate(pictures):
            top = HEAD + row * (height + LABEL)
            for column, kind in enumerate(kinds):
                left = MARGIN + column * (side + GAP)
                place = (left / inches, 1 - (top + height) / total, side / inches, height / total)
                ax = figure.add_axes(place)
                ax.imshow(picture.pixels[kind], interpolation="nearest")
                ax.set_axis_off()
                middle = (left + side / 2) / inches
                if row == 0:
                    title = kind.replace("-", " ").replace(" background", "\nbackground")
                    figure.text(middle, 1 - (HEAD - 0.04) / total, title, ha="center", va="bottom", fontsize=6.5)
                if column == 0:
                    below = 1 - (top + height + LABEL / 2) / total
                    figure.text(middle, below, picture.label[:24], ha="center", va="center", fontsize=6.5)
    return figure
