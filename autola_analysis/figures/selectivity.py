"""Figure 1: the distribution of class selectivity over the units of each layer, one line per variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import stats

from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.core.errors import OptionError
from autola_analysis.figures.style import VARIANT_COLOURS, VARIANT_DASHES, figure_width, paper_style

FloatArray = NDArray[np.float64]
GRID = np.linspace(0.0, 1.0, 401)
PANELS_PER_ROW = 4
MEDIAN_ROW = 0.055  # height of a median's tick, as a share of the panel
NOTHING = 1e-3  # share of a curve's maximum below which it would only thicken the axis


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
    """Draw one panel per layer, one density over units per variant.

    Thick ticks at the foot of a panel mark the medians, dotted lines the mean under permuted labels (chance level).
    Runs of one variant are pooled. Dead units are left out of the densities and counted in the legend.

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
        if ax is not None:
            if len(layers) != 1:
                raise OptionError(f"one Axes takes one layer; the results have {len(layers)}: {', '.join(layers)}.")
            _draw_layer(ax, results, layers[0])
            ax.legend(handles=_legend(results), loc="upper right")
            return ax
        return _draw_figure(results, layers, figure_width(width))


def _draw_figure(results: Sequence[SelectivityResult], layers: Sequence[str], width: float) -> Figure:
    columns = min(len(layers), PANELS_PER_ROW)
    rows = -(-len(layers) // columns)
    panel_height = min(1.75, max(1.25, width / columns))
    figure = Figure(figsize=(width, rows * panel_height + 0.75), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for index, ax in enumerate(axes.flat):
        if index >= len(layers):
            ax.set_visible(False)
            continue
        _draw_layer(ax, results, layers[index])
        if index % columns:
            ax.set_ylabel("")
    handles = _legend(results)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 3 if width < 6 else 5))
    return figure


def _draw_layer(ax: Axes, results: Sequence[SelectivityResult], layer: str) -> None:
    units = 0
    for position, name in enumerate(_variant_names(results)):
        runs = [result for result in results if result.model == name and layer in result.layers]
        if not runs:
            continue
        values, nulls = pooled_values(runs, layer)
        units = len(runs[0].class_means[layer])
        curve = bounded_density(values)
        seen = np.where(curve > NOTHING * np.nanmax(curve), curve, np.nan) if len(values) > 1 else curve
        ax.plot(GRID, seen, linewidth=1.1, color=_colour(position), linestyle=_dash(position))
        ax.fill_between(GRID, curve, color=_colour(position), alpha=0.08, linewidth=0)
        if len(values):
            _mark_median(ax, float(np.median(values)), position)
        for null in nulls[~np.isnan(nulls)]:
            ax.axvline(null, color="0.45", linewidth=0.5, linestyle=(0, (1, 1.5)), zorder=0)
    ax.set_title(f"{layer} ({units} units)")
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_xlabel("class selectivity")
    ax.set_ylabel("density of units")


def _mark_median(ax: Axes, median: float, position: int) -> None:
    """Draw a tick at the foot of a panel, each variant in a row of its own, so that equal medians stay visible."""
    bottom = MEDIAN_ROW * position
    ax.axvline(
        median, bottom, bottom + MEDIAN_ROW, color=_colour(position), linewidth=2.2, solid_capstyle="butt", zorder=3
    )


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


def _variant_names(results: Sequence[SelectivityResult]) -> list[str]:
    return list(dict.fromkeys(result.model for result in results))


def _legend(results: Sequence[SelectivityResult]) -> list[Line2D]:
    handles = []
    for position, name in enumerate(_variant_names(results)):
        runs = [result for result in results if result.model == name]
        dead = sum(int(result.summary["dead"].sum()) for result in runs)
        notes = ([f"{len(runs)} runs"] if len(runs) > 1 else []) + ([f"{dead} dead"] if dead else [])
        label = f"{name} ({', '.join(notes)})" if notes else name
        handles.append(Line2D([], [], color=_colour(position), linestyle=_dash(position), linewidth=1.3, label=label))
    handles.append(
        Line2D([], [], color="0.25", marker="|", markersize=7, markeredgewidth=2, linestyle="", label="median")
    )
    handles.append(Line2D([], [], color="0.45", linestyle=(0, (1, 1.5)), linewidth=0.8, label="chance level"))
    return handles


def _colour(position: int) -> str:
    return VARIANT_COLOURS[position % len(VARIANT_COLOURS)]


def _dash(position: int) -> Any:
    return VARIANT_DASHES[position % len(VARIANT_DASHES)]
