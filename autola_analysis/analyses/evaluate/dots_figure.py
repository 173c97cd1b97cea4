"""Rows of dots with intervals: a row per name, a dot per variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autola_analysis.report.style import figure_width, legend_columns, variant_colours

DOT_INCHES = 0.07  # of a row, per variant
NAME_CHARACTERS = 28
CHARACTER_INCHES = 0.055
Estimates = Mapping[str, Sequence[tuple[float, float, float]]]
"""Per variant a value with both limits of its interval for every row"""


def dots_figure(
    names: Sequence[str], estimates: Estimates, runs: Mapping[str, int], label: str, width: str | float
) -> Figure:
    """Return a figure with a row per name and a legend of the variants below.

    Args:
        names: Of the rows, from the top.
        estimates: Per variant, for every row.
        runs: Number of training runs of every variant.
        label: Of the axis of values.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
    """
    height = len(names) * (DOT_INCHES * len(estimates) + 0.09) + 0.8
    figure = Figure(figsize=(figure_width(width), height), layout="constrained")
    draw_dots(figure.subplots(), names, estimates, label)
    variants_below(figure, runs)
    return figure


def draw_dots(ax: Axes, names: Sequence[str], estimates: Estimates, label: str, shares: bool = True) -> None:
    """Draw dots with intervals, see `dots_figure`.

    Args:
        ax: Where to draw.
        names: Of the rows, from the top.
        estimates: Per variant, for every row.
        label: Of the axis of values.
        shares: Whether values are shares, so that the axis does not go beyond 0 and 1.
    """
    colours = variant_colours(estimates)
    for position, (variant, of_variant) in enumerate(estimates.items()):
        colour = colours[variant]
        values, low, high = np.array(of_variant).T
        rows = np.arange(len(names)) + (position - (len(estimates) - 1) / 2) * 0.7 / len(estimates)
        ax.hlines(rows, low, high, color=colour, linewidth=0.9)
        ax.plot(values, rows, "o", color=colour, markersize=3)
    for edge in np.arange(len(names) - 1) + 0.5:
        ax.axhline(edge, color="0.88", linewidth=0.5, zorder=0)
    ax.set_yticks(range(len(names)), [shortened(name, NAME_CHARACTERS) for name in names])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(label)
    if shares:
        left, right = ax.get_xlim()
        ax.set_xlim(max(left, -0.01), min(right, 1.01))


def variant_handles(runs: Mapping[str, int], marker: str = "o") -> list[Line2D]:
    """Return what a legend shows of variants, with the number of runs where there are several."""
    handles, colours = [], variant_colours(runs)
    for variant, count in runs.items():
        name = shortened(variant, NAME_CHARACTERS)
        label = f"{name} ({count} runs)" if count > 1 else name
        colour = colours[variant]
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=3, linewidth=0.9, label=label))
    return handles


def variants_below(figure: Figure, runs: Mapping[str, int], marker: str = "o") -> None:
    """Draw a legend of variants below a figure, in as many columns as fit.

    Args:
        figure: What the legend belongs to.
        runs: Number of training runs of every variant.
        marker: What the figure draws them by, "" for lines alone.
    """
    handles = variant_handles(runs, marker)
    columns = legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth())
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def shortened(name: str, characters: int) -> str:
    """Return a name that is cut to a number of characters."""
    return name if len(name) <= characters else f"{name[: characters - 3]}..."
