"""Figure 1: the distribution of class selectivity over the units of each layer, a row per variant."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import stats

from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.core.errors import OptionError
from autola_analysis.core.text import last_parts
from autola_analysis.report.style import figure_width, grid_shape, paper_style, variant_colours

FloatArray = NDArray[np.float64]
GRID = np.linspace(0.0, 1.0, 501)
PANELS_PER_ROW = 4
ROW_INCHES = 0.36
LABEL_CHARACTERS = 16  # of a line of a row's label
CURVE_HEIGHT = 0.82  # of a row, for the highest point of every curve
NOTHING = 2e-3  # share of a curve's maximum below which it is not drawn
CHANCE_STYLE: dict[str, Any] = {"color": "0.35", "linewidth": 0.7, "linestyle": (0, (1, 1.2))}


@overload
def plot_selectivity(
    results: SelectivityResult | Sequence[SelectivityResult], width: str | float = ..., ax: None = ...
) -> Figure: ...
@overload
def plot_selectivity(
    results: SelectivityResult | Sequence[SelectivityResult], width: str | float = ..., *, ax: Axes
) -> Axes: ...
def plot_selectivity(
    results: SelectivityResult | Sequence[SelectivityResult], width: str | float = "neurips", ax: Axes | None = None
) -> Figure | Axes:
    """Draw one panel per layer with shared axes; in it, one density over units per variant, in a row of its own.

    Rows keep narrow distributions of early layers from flattening wide ones of late layers, and equal ones from
    hiding each other; every curve has the same height. Dark ticks mark medians, dotted lines the mean under permuted
    labels (chance level). Runs of one variant are pooled. Dead units are left out of the densities and counted.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
        ax: Where to draw instead, for results of a single layer.

    Returns:
        The figure, or `ax`.

    Raises:
        OptionError: If there is nothing to draw, or `ax` is given for several layers.
    """
    results = [results] if isinstance(results, SelectivityResult) else list(results)
    layers = list(dict.fromkeys(layer for result in results for layer in result.layers))
    if not layers:
        raise OptionError("there is no selectivity result to draw.")
    with paper_style():
        if ax is None:
            return _draw_figure(results, layers, figure_width(width))
        if len(layers) != 1:
            raise OptionError(f"one Axes takes one layer; the results have {len(layers)}: {', '.join(layers)}.")
        _draw_layer(ax, results, layers[0], layers[0])
        return ax


def _draw_figure(results: Sequence[SelectivityResult], layers: Sequence[str], width: float) -> Figure:
    rows, columns = grid_shape(len(layers), PANELS_PER_ROW)
    height = rows * (ROW_INCHES * len(variant_names(results)) + 0.62) + 0.25
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    titles = last_parts(layers)
    for index, panel in enumerate(axes.flat):
        if index >= len(layers):
            panel.set_visible(False)
            continue
        _draw_layer(panel, results, layers[index], titles[layers[index]])
        # The last panel of a column shows the ticks, also where an incomplete row leaves a gap below it.
        panel.tick_params(labelbottom=index + columns >= len(layers))
        panel.set_xlabel("class selectivity" if index + columns >= len(layers) else "")
    figure.legend(handles=_legend(results), loc="outside lower center", ncols=3)
    return figure


def _draw_layer(ax: Axes, results: Sequence[SelectivityResult], layer: str, title: str) -> None:
    names = variant_names(results)
    colours = variant_colours(names)
    units: set[int] = set()
    for position, name in enumerate(names):
        runs = [result for result in results if result.model == name and layer in result.layers]
        if not runs:
            continue
        units |= {len(run.class_means[layer]) for run in runs}
        values, nulls = pooled_values(runs, layer)
        dead = sum(len(run.class_means[layer]) for run in runs) - len(values)
        _draw_row(ax, len(names) - 1 - position, values, nulls, dead, colours[name])
    ax.set_title(f"{title} ({' or '.join(map(str, sorted(units)))} units)")
    ax.set_xlim(-0.005, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    ax.set_xlabel("class selectivity")
    ax.set_ylim(-0.12, len(names) - 0.05)
    middles = [row + CURVE_HEIGHT / 2 for row in range(len(names))]
    ax.set_yticks(middles, [_row_label(results, name) for name in reversed(names)])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _draw_row(ax: Axes, bottom: int, values: FloatArray, nulls: FloatArray, dead: int, colour: str) -> None:
    density = bounded_density(values)
    ax.axhline(bottom, color="0.75", linewidth=0.5, zorder=0)
    if not np.isnan(density).any():
        curve = CURVE_HEIGHT * density / density.max()
        seen = density > NOTHING * density.max()
        ax.fill_between(GRID, bottom, bottom + curve, where=seen.tolist(), color=colour, alpha=0.25, linewidth=0)
        ax.plot(GRID, np.where(seen, bottom + curve, np.nan), color=colour, linewidth=1.0)
    if len(values):
        median = float(np.median(values))
        ax.plot([median, median], [bottom, bottom + 0.42], color=colour, linewidth=2.0, solid_capstyle="butt", zorder=3)
    for null in nulls[~np.isnan(nulls)]:
        ax.plot([null, null], [bottom, bottom + CURVE_HEIGHT], **CHANCE_STYLE, zorder=2)
    if dead:
        ax.text(1.0, bottom + 0.08, f"{dead} dead", ha="right", va="bottom", fontsize=6.5, color="0.3")


def pooled_values(runs: Sequence[SelectivityResult], layer: str) -> tuple[FloatArray, FloatArray]:
    """Return the selectivities of all live units of a layer over the runs of a variant, and each run's null mean."""
    units = [result.units.loc[result.units["layer"] == layer, "selectivity"].to_numpy(float) for result in runs]
    nulls = [result.summary.loc[result.summary["layer"] == layer, "null_mean"].to_numpy(float) for result in runs]
    values = np.concatenate(units)
    return values[~np.isnan(values)], np.concatenate(nulls)


def bounded_density(values: FloatArray) -> FloatArray:
    """Estimate a density on [0, 1] over `GRID`, mirrored at both ends again and again so that no mass leaks out.

    Gaussian kernels with Scott's bandwidth (of the values alone); fewer than two distinct values give NaN, which draws
    nothing.

    References:
        Silverman, "Density Estimation for Statistics and Data Analysis", 1986, section 2.10.
    """
    if len(np.unique(values)) < 2:
        return np.full_like(GRID, np.nan)
    bandwidth = values.std(ddof=1) * len(values) ** -0.2
    mirrored = np.concatenate([sign * values + shift for sign in (1, -1) for shift in (-2, 0, 2)])
    density: FloatArray = stats.norm.pdf((GRID[:, None] - mirrored) / bandwidth).sum(axis=1)
    return density / (len(values) * bandwidth)


def variant_names(results: Sequence[SelectivityResult]) -> list[str]:
    """Return the names of the variants in the order of the results."""
    return list(dict.fromkeys(result.model for result in results))


def _row_label(results: Sequence[SelectivityResult], name: str) -> str:
    runs = sum(result.model == name for result in results)
    lines = textwrap.wrap(name, LABEL_CHARACTERS)
    if len(lines) > 2:
        lines = [lines[0], f"{lines[1][: LABEL_CHARACTERS - 3]}..."]
    return "\n".join([*lines, f"({runs} runs)"] if runs > 1 else lines)


def _legend(results: Sequence[SelectivityResult]) -> list[Line2D]:
    median = Line2D([], [], color="0.2", marker="|", markersize=8, markeredgewidth=2, linestyle="", label="median")
    handles = [median]
    if any(result.summary["null_mean"].notna().any() for result in results):
        handles.append(Line2D([], [], **CHANCE_STYLE, label="mean under permuted labels"))
    dead = sum(int(result.summary["dead"].sum()) for result in results)
    if dead:
        handles.append(Line2D([], [], linestyle="", label=f"dead units (never fire): {dead} in all"))
    return handles
