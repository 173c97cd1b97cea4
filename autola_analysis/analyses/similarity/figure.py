"""CKA of all layers of two variants as heat maps, and of each layer beside that of two runs of one variant."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from autola_analysis.analyses.similarity.cka import FloatArray
from autola_analysis.analyses.similarity.compared import ComparedLayers, fold_interval
from autola_analysis.analyses.similarity.result import SimilarityResult, compared_layers
from autola_analysis.report.style import figure_width, grid_shape, legend_columns, paper_style, variant_colours

WITHIN = "two runs of one variant"
COLUMNS = 4
NUMBERED_LAYERS = 6
"""A cell is wide enough for a number up to so many layers."""
PANEL_INCHES, BESIDE_INCHES, NAME_INCHES, LEGEND_INCHES = 2.2, 1.9, 1.1, 0.17
CHARACTER_INCHES = 0.085


def plot_similarity(result: SimilarityResult, width: str | float = "neurips") -> Figure:
    """Draw the CKA of all layers of the first variant with those of each, and below it layer by layer.

    A heat map shows the mean over pairs of runs of two variants; that of the first variant with itself, over pairs of
    different runs, or the layers of its only network. Below, a dot is the CKA of a layer in the first variant and in
    another, with its 95% interval over images; grey lies what two runs of one variant have, of the two: from the lowest
    pair to the highest, with a line at the mean.

    Args:
        result: What was measured.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
    """
    compared = compared_layers(result)
    with paper_style():
        inches = figure_width(width)
        rows, columns = grid_shape(len(compared.models), max(1, min(COLUMNS, int(inches / 1.2))))
        side = min(PANEL_INCHES, (inches - NAME_INCHES) / columns)
        others = [name for name in compared.models[1:] if compared.layers(compared.models[0], name)]
        legend = legend_columns([*others, WITHIN], inches)
        below = BESIDE_INCHES + LEGEND_INCHES * -(-(len(others) + 1) // legend) if others else 0
        heights = [rows * (side + 0.6), below]
        figure = Figure(figsize=(inches, sum(heights)), layout="constrained")
        if not others:
            _draw_maps(figure, compared, rows, columns, side)
            return figure
        parts = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)
        _draw_maps(parts[0, 0], compared, rows, columns, side)
        _draw_beside(parts[1, 0], compared, others, legend)
    return figure


def layer_by_layer(compared: ComparedLayers, model: str, against: str) -> FloatArray:
    """Return the mean CKA of all layers of two variants, ``(layers, layers)``; see `plot_similarity`."""
    lone = model == against and compared.runs(model) == 1
    pairs = compared.of_runs if lone else compared.of_pairs
    return np.array(
        [
            [pairs(model, one, against, other).mean() for other in compared.layers(against)]
            for one in compared.layers(model)
        ]
    )


def _draw_maps(figure: Figure | SubFigure, compared: ComparedLayers, rows: int, columns: int, side: float) -> None:
    first = compared.models[0]
    axes = figure.subplots(rows, columns, squeeze=False)
    image: Any = None
    for index, ax in enumerate(axes.flat):
        if index >= len(compared.models):
            ax.set_visible(False)
            continue
        against = compared.models[index]
        image = _draw_map(ax, layer_by_layer(compared, first, against), compared.layers(against))
        names = compared.layers(first) if index % columns == 0 else []
        ax.set_yticks(range(len(names)), names)
        title = against if index else f"{first}, {'other runs' if compared.runs(first) > 1 else 'itself'}"
        ax.set_title(_wrapped(title, side))
        ax.set_ylabel(_wrapped(first, side) if index % columns == 0 else "")
    bar = figure.colorbar(image, ax=axes, shrink=0.9, aspect=20, pad=0.02)
    bar.set_label("CKA")
    bar.outline.set_linewidth(0.6)


def _wrapped(text: str, inches: float) -> str:
    characters = max(8, int(inches / CHARACTER_INCHES))
    return "\n".join(textwrap.wrap(text, characters, max_lines=3, placeholder=" ..."))


def _draw_map(ax: Axes, values: FloatArray, names: Sequence[str]) -> AxesImage:
    image = ax.imshow(values, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    ax.set_facecolor("0.9")
    if max(values.shape) <= NUMBERED_LAYERS:
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                colour = "white" if value > 0.6 else "black"
                ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
    long = len(names) > 3 or max(map(len, names)) > 8
    ax.set_xticks(range(len(names)), names, rotation=90 if long else 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def _draw_beside(figure: SubFigure, compared: ComparedLayers, others: Sequence[str], columns: int) -> None:
    ax = figure.subplots()
    first = compared.models[0]
    layers = compared.layers(first)
    step = 0.8 / len(others)
    colours = variant_colours(compared.models)
    for position, name in enumerate(others):
        colour = colours[name]
        for place, layer in enumerate(layers):
            if layer not in compared.layers(name):
                continue
            centre = place + (position - (len(others) - 1) / 2) * step
            _draw_baseline(ax, compared, layer, (first, name), centre, 0.8 * step)
            values = compared.of_pairs(first, layer, name, layer).mean(axis=0)
            low, high = fold_interval(values)
            ax.vlines(centre, low, high, color=colour, linewidth=1)
            ax.plot(centre, values.mean(), "o", color=colour, markersize=3.5)
    ax.set_xticks(range(len(layers)), layers, rotation=90 if len(layers) > 8 else 0)
    ax.set_xlim(-0.5, len(layers) - 0.5)
    ax.set_ylabel(_wrapped(f"CKA with {first}", BESIDE_INCHES))
    handles: list[Any] = []
    for name in others:
        colour = colours[name]
        handles.append(Line2D([], [], color=colour, marker="o", markersize=3.5, linewidth=1, label=name))
    if any(compared.runs(name) > 1 for name in compared.models):
        handles.append(Patch(facecolor="0.85", label=WITHIN))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), columns))


def _draw_baseline(
    ax: Axes, compared: ComparedLayers, layer: str, names: tuple[str, str], centre: float, width: float
) -> None:
    within = [compared.of_pairs(name, layer, name, layer).mean(axis=1) for name in names]
    if not all(map(len, within)):
        return
    low, high = np.concatenate(within).min(), np.concatenate(within).max()
    left = centre - width / 2
    ax.add_patch(Rectangle((left, low), width, high - low, facecolor="0.85", edgecolor="none", zorder=0))
    ax.hlines(np.mean([each.mean() for each in within]), left, left + width, color="0.45", linewidth=0.8, zorder=1)
