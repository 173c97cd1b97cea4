"""Accuracy per class as dots with intervals, and confusion matrices as small multiples."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.dots_figure import (
    CHARACTER_INCHES,
    dots_figure,
    draw_dots,
    shortened,
    variant_handles,
)
from autola_analysis.analyses.evaluate.result import EvaluationResult
from autola_analysis.analyses.evaluate.rows import class_accuracies, measured_runs, most_different
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import figure_width, grid_shape, paper_style

SHOWN_CLASSES = 20
NUMBERED_CLASSES = 10  # a cell is wide enough for a number up to so many classes
DOTS_LABEL = "top-1 accuracy of the class, 95% interval"
MATRIX_CHARACTERS = 18
CELL_INCHES = 0.085
LEAST_MATRIX_INCHES = 1.5
LARGEST_MATRIX_INCHES = 2.6
BAR_INCHES = 0.7
FLOOR = 0.05  # the scale of colours goes to this share at least


@overload
def plot_class_accuracy(
    results: EvaluationResult | Sequence[EvaluationResult], width: str | float = ..., ax: None = ...
) -> Figure: ...
@overload
def plot_class_accuracy(
    results: EvaluationResult | Sequence[EvaluationResult], width: str | float = ..., *, ax: Axes
) -> Axes: ...
def plot_class_accuracy(
    results: EvaluationResult | Sequence[EvaluationResult], width: str | float = "neurips", ax: Axes | None = None
) -> Figure | Axes:
    """Draw the top-1 accuracy of every class: a row per class, a dot with its 95% interval per variant.

    Of more than 20 classes the 20 are drawn that differ most between variants (of a single variant, the least
    accurate). The runs of a variant are averaged.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
        ax: Where to draw instead.

    Returns:
        The figure, or `ax`.

    Raises:
        OptionError: If no accuracy was measured.
    """
    results = [results] if isinstance(results, EvaluationResult) else list(results)
    shown = shown_classes(results)
    runs = measured_runs(results)
    classes = next(iter(runs.values()))[0].classes
    names = [classes[label] for label in shown]
    estimates = {
        name: [of_variant[label] for label in shown] for name, of_variant in class_accuracies(results, shown).items()
    }
    counts = {name: len(of_variant) for name, of_variant in runs.items()}
    with paper_style():
        if ax is None:
            return dots_figure(names, estimates, counts, DOTS_LABEL, width)
        draw_dots(ax, names, estimates, DOTS_LABEL)
        ax.legend(handles=variant_handles(counts), loc="best")
        return ax


def shown_classes(results: Sequence[EvaluationResult]) -> list[int]:
    """Return the numbers of the classes to draw: those with images, or of more than 20 those that differ most.

    Raises:
        OptionError: If no accuracy was measured.
    """
    runs = measured_runs(results)
    if not runs:
        raise OptionError("there is no measured accuracy to draw.")
    classes = len(next(iter(runs.values()))[0].classes)
    chosen = most_different(results, SHOWN_CLASSES)
    return sorted(chosen) if classes <= SHOWN_CLASSES else chosen


@overload
def plot_confusion(
    results: EvaluationResult | Sequence[EvaluationResult], width: str | float = ..., ax: None = ...
) -> Figure: ...
@overload
def plot_confusion(
    results: EvaluationResult | Sequence[EvaluationResult], width: str | float = ..., *, ax: Axes
) -> Axes: ...
def plot_confusion(
    results: EvaluationResult | Sequence[EvaluationResult], width: str | float = "neurips", ax: Axes | None = None
) -> Figure | Axes:
    """Draw the confusion matrix of the first run of every variant: labels in rows, predictions in columns.

    Colours are those of errors alone, as shares of the label's images, on one scale for all networks; numbers are per
    cent, up to ten classes.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
        ax: Where to draw instead, for one variant.

    Returns:
        The figure, or `ax`.

    Raises:
        OptionError: If no accuracy was measured, there are more than 20 classes, or `ax` is given for several variants.
    """
    results = [results] if isinstance(results, EvaluationResult) else list(results)
    shown = [runs[0] for runs in measured_runs(results).values()]
    if not shown:
        raise OptionError("there is no measured accuracy to draw.")
    if len(shown[0].classes) > SHOWN_CLASSES:
        raise OptionError(
            f"a confusion matrix is drawn of up to {SHOWN_CLASSES} classes; there are {len(shown[0].classes)}."
        )
    highest = max(FLOOR, *(float(np.nan_to_num(_errors(result)).max()) for result in shown))
    with paper_style():
        if ax is None:
            return _draw_matrices(shown, highest, figure_width(width))
        if len(shown) != 1:
            raise OptionError(f"one Axes takes one variant; there are {len(shown)}.")
        _draw_matrix(ax, shown[0], highest)
        return ax


def _draw_matrices(shown: Sequence[EvaluationResult], highest: float, width: float) -> Figure:
    classes = len(shown[0].classes)
    names = CHARACTER_INCHES * max(len(shortened(name, MATRIX_CHARACTERS)) for name in shown[0].classes) + 0.35
    room = width - names - BAR_INCHES
    rows, columns = grid_shape(len(shown), max(1, int(room / max(LEAST_MATRIX_INCHES, classes * CELL_INCHES))))
    side = min(room / columns, LARGEST_MATRIX_INCHES)
    used = width if side < LARGEST_MATRIX_INCHES else names + columns * side + BAR_INCHES
    figure = Figure(figsize=(used, rows * (side + 0.25) + names), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    image: Any = None
    for index, panel in enumerate(axes.flat):
        if index >= len(shown):
            panel.set_visible(False)
            continue
        image = _draw_matrix(panel, shown[index], highest)
        lowest = index + columns >= len(shown)
        panel.tick_params(labelbottom=lowest, labelleft=index % columns == 0)
        panel.set_xlabel("prediction" if lowest else "")
        panel.set_ylabel("label" if index % columns == 0 else "")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30, pad=0.02)
    bar.set_label("share of the label's images (errors)")
    bar.outline.set_linewidth(0.6)
    return figure


def _draw_matrix(ax: Axes, result: EvaluationResult, highest: float) -> AxesImage:
    errors = _errors(result)
    image = ax.imshow(errors, cmap="Blues", vmin=0, vmax=highest, interpolation="nearest")
    ax.set_facecolor("0.9")  # of the diagonal, and of classes without images
    classes = len(result.classes)
    if classes <= NUMBERED_CLASSES:
        _write_numbers(ax, shares_of_labels(result), errors, highest)
    names = [shortened(name, MATRIX_CHARACTERS) for name in result.classes]
    rotation = 90 if max(map(len, names)) > 2 else 0
    size = 7 if classes <= NUMBERED_CLASSES else 5.5
    ax.set_xticks(range(classes), names, rotation=rotation, fontsize=size)
    ax.set_yticks(range(classes), names, fontsize=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("prediction")
    ax.set_ylabel("label")
    ax.set_title("\n".join(textwrap.wrap(result.title, 30)[:2]))
    return image


def _write_numbers(ax: Axes, shares: NDArray[np.float64], errors: NDArray[np.float64], highest: float) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if np.isnan(share) or (row != column and share < 0.005):
            continue
        dark = row != column and errors[row, column] > 0.6 * highest
        colour = "white" if dark else "black"
        ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=5.5, color=colour)


def shares_of_labels(result: EvaluationResult) -> NDArray[np.float64]:
    """Return the confusion matrix as shares of each label's images, ``(C, C)``; NaN for classes without images."""
    counts = result.confusion.astype(float)
    images = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, images, out=np.full_like(counts, np.nan), where=images > 0)


def _errors(result: EvaluationResult) -> NDArray[np.float64]:
    """Return the shares without the diagonal, which is NaN."""
    shares = shares_of_labels(result)
    np.fill_diagonal(shares, np.nan)
    return shares
