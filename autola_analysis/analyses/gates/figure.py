"""Channel gates per class and stage, as in the appendix of the squeeze-and-excitation paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from autola_analysis.analyses.gates.result import GateResult
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import VARIANT_COLOURS, figure_width, paper_style

STAGE = re.compile(r"^(?:.*\.)?(layer\d+|stages?\.\d+)\.")
SHOWN_CLASSES = 4
SHOWN_MODULES = 4
TITLE_CHARACTERS = 20
ROW_INCHES = 1.25


def plot_gates(
    results: GateResult | Sequence[GateResult], classes: Sequence[str] | None = None, width: str | float = "neurips"
) -> Figure:
    """Draw the mean gate of every channel for some classes: a row per network, its stages from left to right.

    Shown is the channel gate of a stage's last attention module (its widest, where it has several). Channels are
    sorted by their mean over all classes, drawn in grey: where the lines of the classes leave it, the gate depends on
    what is in the image.

    Args:
        results: One result or several, in the order they are to be drawn.
        classes: Names of the classes to draw; None takes four, evenly spaced.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is nothing to draw, or a class is not known.

    References:
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018, figure on activations of the excitation.
    """
    results = [results] if isinstance(results, GateResult) else list(results)
    if not results:
        raise OptionError("there is no gate result to draw.")
    shown = chosen_classes(results[0].classes, classes, _present(results[0]))
    gates = [stage_gates(result) for result in results]
    columns = max(map(len, gates))
    if not columns:
        raise OptionError("no network has a gate of channels to draw.")
    with paper_style():
        inches = figure_width(width)
        figure = Figure(figsize=(inches, ROW_INCHES * len(results) + 0.5), layout="constrained")
        axes = figure.subplots(len(results), columns, sharey=True, squeeze=False)
        for row, (result, keys) in enumerate(zip(results, gates, strict=True)):
            for ax in axes[row, len(keys) :]:
                ax.set_visible(False)
            for ax, (stage, key) in zip(axes[row], keys.items(), strict=False):
                _draw_gate(ax, result, key, shown)
                gate = f"({key.split('/')[1]})"
                space = "\n" if len(stage + gate) > TITLE_CHARACTERS else " "
                ax.set_title(stage + space + gate if row == 0 or len(results) > 1 else stage)
            axes[row, 0].set_ylabel(f"{_title(result)}\nmean gate")
        for ax in axes[-1]:
            ax.set_xlabel("channel, sorted")
        figure.legend(handles=_legend(results[0].classes, shown), loc="outside lower center", ncols=len(shown) + 1)
    return figure


def stage_gates(result: GateResult) -> dict[str, str]:
    """Return the key of the channel gate to show for each stage: the widest of the stage's last attention module.

    Of a network without stages of such names, some of its attention modules are shown, evenly spread over its depth.
    """
    last: dict[str, str] = {}
    modules = list(dict.fromkeys(key.split("/")[0] for key in result.class_means if key not in result.spatial_maps))
    for module in modules:
        if found := STAGE.match(module):
            last[found.group(1)] = module
    if not last and modules:
        shown = np.linspace(0, len(modules) - 1, min(SHOWN_MODULES, len(modules))).round().astype(int)
        last = {modules[place]: modules[place] for place in shown}
    widest: dict[str, str] = {}
    for stage, module in last.items():
        keys = [key for key in result.class_means if key.split("/")[0] == module and key not in result.spatial_maps]
        widest[stage] = max(keys, key=lambda key: result.class_means[key].shape[1])
    return widest


def _present(result: GateResult) -> list[int]:
    """Return the indices of the classes that images show."""
    means = next(iter(result.class_means.values()), np.zeros((len(result.classes), 1)))
    return [int(index) for index in np.flatnonzero(~np.isnan(means).any(axis=1))]


def chosen_classes(known: Sequence[str], asked: Sequence[str] | None, present: Sequence[int] = ()) -> list[int]:
    """Return the indices of the classes to draw.

    Args:
        known: Names of all classes.
        asked: Names of those that were asked for; None takes some of those that images show, evenly spaced.
        present: Indices of the classes that images show; none for all of them.

    Raises:
        OptionError: If a class is not known.
    """
    if asked is None:
        present = present or range(len(known))
        places = np.linspace(0, len(present) - 1, min(SHOWN_CLASSES, len(present)))
        return sorted({present[round(place)] for place in places})
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise OptionError(f"the data has no class {unknown[0]!r}; classes are {', '.join(known[:8])}, ...")
    return [list(known).index(name) for name in asked]


def _draw_gate(ax: Axes, result: GateResult, key: str, shown: Sequence[int]) -> None:
    means: NDArray[np.float64] = result.class_means[key]
    overall = np.nanmean(means, axis=0)
    order = np.argsort(overall)
    channels = np.arange(len(overall))
    for position, index in enumerate(shown):
        if np.isnan(means[index]).any():
            continue
        colour = _class_colour(position)
        ax.plot(channels, means[index][order], color=colour, linewidth=0.8, alpha=0.9)
    ax.plot(channels, overall[order], color="0.45", linewidth=1.4, zorder=1)
    ax.set_ylim(0, 1)
    ax.set_xlim(0, len(overall) - 1)
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def _class_colour(place: int) -> str:
    """Return the colour of a class by its place among those that are drawn: black would be taken for all classes."""
    return VARIANT_COLOURS[(place + 1) % len(VARIANT_COLOURS)]


def _title(result: GateResult) -> str:
    return result.model if result.run == "1" else f"{result.model} run {result.run}"


def _legend(classes: Sequence[str], shown: Sequence[int]) -> list[Line2D]:
    handles = [Line2D([], [], color="0.45", linewidth=1.4, label="all classes")]
    for position, index in enumerate(shown):
        colour = _class_colour(position)
        handles.append(Line2D([], [], color=colour, label=classes[index]))
    return handles
