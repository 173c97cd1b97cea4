"""Joint-to-joint matrices: one per variant, and below each its difference from the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.joints.matrix import square
from autola_analysis.analyses.saliency.joints.result import JointSaliencyResult
from autola_analysis.core.errors import OptionError
from autola_analysis.core.tables import rows_of
from autola_analysis.report.style import figure_width, paper_style

COLOURS, DIVERGING = "Greys", "RdBu_r"
MOST_IN_ROW = 4
ALONE = 0.55
"""Share of the width that a single matrix takes"""
NAMES = 0.62
"""Inches that the names of the joints take"""
LETTER = 4.5  # points, at least
PAD = 5.0  # points from a matrix to its names


def plot_joint_matrix(
    result: JointSaliencyResult, method: str | None = None, layer: str | None = None, width: str | float = "neurips"
) -> Figure:
    """Draw which other joints a joint's score looks at: a matrix per variant, and below it the difference.

    A row is the joint whose heat map is explained, a column the joint around which its map is looked at.

    Args:
        result: Of the networks, at most four variants are drawn.
        method: Of the maps; None takes the first.
        layer: Of the maps; None takes the first of the method.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is no such matrix.
    """
    keys = list(result.matrix[["method", "layer"]].drop_duplicates().itertuples(index=False, name=None))
    chosen = [key for key in keys if method in (None, key[0]) and layer in (None, key[1])]
    if not chosen:
        raise OptionError(f"there is no joint-to-joint matrix of {method or 'any method'}.")
    about = {"method": chosen[0][0], "layer": chosen[0][1]}
    matrices, changes = rows_of(result.matrix, **about), rows_of(result.differences, **about)
    variants = list(dict.fromkeys(matrices["model"]))[:MOST_IN_ROW]
    names = result.settings["names"]
    several = len(variants) > 1
    inches = figure_width(width) * (1 if several else ALONE)
    side, rows = (inches - NAMES - 0.6) / len(variants), 2 if several else 1
    with paper_style():
        figure = Figure(figsize=(inches, rows * (side + 0.22) + NAMES + 0.1), layout="constrained")
        grid = figure.subplots(rows, len(variants), squeeze=False)
        for ax in grid.flat:
            ax.set_visible(False)
        squares = [square(rows_of(matrices, model=name), "energy", names) for name in variants]
        top = float(np.nan_to_num(squares).max()) or 1.0
        drawn = [
            _draw(ax, values, name, COLOURS, (0.0, top))
            for ax, values, name in zip(grid[0], squares, variants, strict=False)
        ]
        figure.colorbar(drawn[0], ax=list(grid[0]), shrink=0.85, label="share of the map")
        if several:
            moved = [square(rows_of(changes, model=name), "difference", names) for name in variants[1:]]
            largest = float(np.abs(np.nan_to_num(moved)).max()) or 1.0
            for ax, values, name in zip(grid[1, 1:], moved, variants[1:], strict=False):
                last = _draw(ax, values, f"{name} less {variants[0]}", DIVERGING, (-largest, largest))
            figure.colorbar(last, ax=list(grid[1]), shrink=0.85, label="difference")
        _name(grid, names)
        return figure


def _draw(ax: Axes, values: NDArray[np.float64], title: str, colours: str, limits: tuple[float, float]) -> AxesImage:
    ax.set_visible(True)
    ax.set_title(title)
    return ax.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")


def _name(grid: NDArray[Any], names: Sequence[str]) -> None:
    """Write the joints' names left of the first and below the last matrix of every row and column.

    Where an empty place is there, they stand in it as text that takes no room: tick labels would move the matrices
    apart.
    """
    short = [name.replace("left_", "l. ").replace("right_", "r. ").replace("_", " ") for name in names]
    size = max(LETTER, 7.0 - 0.15 * len(names))
    rows, _ = grid.shape
    for (row, column), ax in np.ndenumerate(grid):
        first = not any(each.get_visible() for each in grid[row, :column])
        last = not any(each.get_visible() for each in grid[row + 1 :, column])
        ax.set_xticks(range(len(names)), short if last and row == rows - 1 else [], rotation=90, fontsize=size)
        ax.set_yticks(range(len(names)), short if first and column == 0 else [], fontsize=size)
        ax.tick_params(length=1.5, width=0.4)
        written = []
        if first and column:
            left = (-PAD, 0), ax.get_yaxis_transform(), "offset points"
            written += [
                ax.annotate(name, (0, place), *left, fontsize=size, ha="right", va="center")
                for place, name in enumerate(short)
            ]
        if last and row < rows - 1:
            below = (0, -PAD), ax.get_xaxis_transform(), "offset points"
            written += [
                ax.annotate(name, (place, 0), *below, fontsize=size, ha="center", va="top", rotation=90)
                for place, name in enumerate(short)
            ]
        for text in written:
            text.set_in_layout(False)
