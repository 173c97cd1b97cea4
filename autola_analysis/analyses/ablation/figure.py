"""Accuracy curves: a row per variant, a panel per order in which units are switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from autola_analysis.analyses.ablation.orders import ORDERS, RANDOM, REVERSED, SELECTIVE
from autola_analysis.analyses.ablation.result import AblationResult
from autola_analysis.analyses.ablation.rows import curve_rows, runs_by_layer
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import figure_width, paper_style, variant_colours

TITLES = {SELECTIVE: "most selective first", REVERSED: "least selective first", RANDOM: "random orders"}
ROW_INCHES = 0.95
NAME_CHARACTERS = 16


def plot_ablation(results: AblationResult | Sequence[AblationResult], width: str | float = "neurips") -> Figure:
    """Draw accuracy against the share of live units that are off: a row per layer and variant, a panel per order.

    Lines are means over the runs of a variant, with pointwise 95% intervals; those of the other variants are grey.

    Args:
        results: One result or several, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is nothing to draw.
    """
    results = [results] if isinstance(results, AblationResult) else list(results)
    if not results:
        raise OptionError("there is no ablation to draw.")
    runs = runs_by_layer(results)
    curves = {key: curves_by_order(of_variant) for key, of_variant in runs.items()}
    layers = list(dict.fromkeys(layer for _, layer in runs))
    names = list(dict.fromkeys(model for model, _ in runs))
    colours = variant_colours(names)
    with paper_style():
        figure = Figure(figsize=(figure_width(width), ROW_INCHES * len(runs) + 0.55), layout="constrained")
        axes = figure.subplots(len(runs), len(ORDERS), sharex=True, sharey=True, squeeze=False)
        rows = sorted(runs, key=lambda key: (layers.index(key[1]), names.index(key[0])))
        for panels, (name, layer) in zip(axes, rows, strict=True):
            colour = colours[name]
            for panel, order in zip(panels, ORDERS, strict=True):
                for other in names:
                    if other != name and (other, layer) in curves:
                        share, accuracy, *_ = curves[other, layer][order]
                        panel.plot(share, accuracy, color="0.72", linewidth=0.6, zorder=1)
                share, accuracy, low, high = curves[name, layer][order]
                panel.fill_between(share, low, high, color=colour, alpha=0.22, linewidth=0)
                panel.plot(share, accuracy, color=colour, linewidth=1.2, zorder=3)
            panels[0].set_ylabel(_label(name, layer if len(layers) > 1 else "", len(runs[name, layer])))
        for panel, order in zip(axes[0], ORDERS, strict=True):
            panel.set_title(TITLES[order])
        for panel in axes[-1]:
            panel.set_xlabel("share of units that are off")
        axes[0, 0].set_xlim(0, 1)
        axes[0, 0].set_ylim(0, 1)
        axes[0, 0].set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes[0, 0].set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    return figure


def curves_by_order(runs: Sequence[AblationResult]) -> dict[str, tuple[list[float], ...]]:
    """Return share of units off, accuracy, and lower and upper limit at every step, by order."""
    by_order: dict[str, list[dict[str, Any]]] = {}
    for row in curve_rows(runs):
        by_order.setdefault(str(row["order"]), []).append(row)
    columns = ("share", "accuracy", "ci_low", "ci_high")
    return {order: tuple([row[column] for row in rows] for column in columns) for order, rows in by_order.items()}


def _label(name: str, layer: str, runs: int) -> str:
    short = name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 3]}..."
    several = f"{runs} runs" if runs > 1 else ""
    return "\n".join(line for line in (short, layer, several, "accuracy") if line)
