"""The course of a search and the wiring that it found, as figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from autola_analysis.attention.genotype import NODES, STANDARD_EDGES, Genotype, edge_row
from autola_analysis.report.style import figure_width, paper_style
from autola_analysis.search.curvature import BATCHES, MEANS_APART, MEANS_OVER, SHARPER, sharpened
from autola_analysis.search.derivation import NOTHING
from autola_analysis.search.history import entropy
from autola_analysis.search.result import SearchResult

COLOURS = {
    "none": "#000000",
    "skip_connect": "#7F7F7F",
    "sep_conv_3x3": "#00694A",
    "dil_conv_3x3": "#3DBF92",
    "sep_conv_3x3_spatial": "#B84E00",
    "dil_conv_3x3_spatial": "#F0A04B",
    "SE": "#0057A3",
    "SE_A_M": "#56B4E9",
    "CBAM": "#8E44AD",
}
"""Identity grey, convolutional gates green, spatial gates orange, channel gates blue, CBAM purple."""
OTHER = "#CC79A7"
ROW_INCHES = 1.15
LEGEND_INCHES = 1.6
"""Of the longest name of an operation in a legend."""
CURVATURE = (
    " Below, the largest eigenvalue of the Hessian of the loss on the architecture's half in alpha, on "
    f"{BATCHES} batches that stay the same; a dashed line where its mean over {MEANS_OVER} measurements exceeds "
    f"{SHARPER:g} times the one {MEANS_APART} earlier."
)
"""What the second panel shows."""
BEND = 0.4
"""Of an arrow that skips a node in the drawing of a wiring, as matplotlib measures it."""
RADIUS = 0.17
"""From the middle of a node to where arrows end, a node being 1 away from the next."""


def colour_of(operation: str) -> str:
    """Return the colour of an operation in all figures."""
    return COLOURS.get(operation, OTHER)


def plot_alphas(result: SearchResult, width: str | float = "neurips") -> Figure:
    """Draw the weights of all operations over epochs, a panel per edge: nodes downwards, their sources to the right.

    Args:
        result: Of a search.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
    """
    weights = result.weights
    epochs = np.arange(len(weights))
    top = 1.08 * float(weights.max())
    with paper_style():
        figure = Figure(figsize=(figure_width(width), ROW_INCHES * NODES + 0.55), layout="constrained")
        axes = figure.subplots(NODES, NODES, sharex=True, sharey=True)
        for node in range(1, NODES + 1):
            for source in range(NODES):
                ax = axes[node - 1, source]
                if source >= node:
                    ax.set_visible(False)
                    continue
                _draw_edge(ax, epochs, weights[:, edge_row(node, source)], result.operations)
                ax.set_title(f"{_name(node, source)} → s{node}", pad=2)
                ax.set_ylim(0, top)
                if source == 0:
                    ax.set_ylabel("weight")
                if node == NODES:
                    ax.set_xlabel("epoch")
        handles = [_handle(name) for name in result.operations]
        uniform = Line2D([], [], color="#BBBBBB", lw=0.8, label="all alike")
        figure.legend(handles=[*handles, uniform], loc="upper right", ncols=2, title="operation (the chosen one thick)")
    return figure


def _draw_edge(ax: Axes, epochs: NDArray[np.int_], weights: NDArray[np.float64], operations: tuple[str, ...]) -> None:
    allowed = [weights[-1, column] if name != NOTHING else -1.0 for column, name in enumerate(operations)]
    chosen = int(np.argmax(allowed))
    ax.axhline(1 / len(operations), color="#BBBBBB", lw=0.8, zorder=0)
    for column, name in enumerate(operations):
        ax.plot(
            epochs,
            weights[:, column],
            color=colour_of(name),
            ls=":" if name == NOTHING else "-",
            lw=1.8 if column == chosen else 0.8,
            zorder=3 if column == chosen else 2,
        )


def _handle(name: str) -> Line2D:
    return Line2D([], [], color=colour_of(name), ls=":" if name == NOTHING else "-", lw=1.2, label=name)


def plot_entropy(result: SearchResult, width: str | float = "column") -> Figure:
    """Draw how open the choice on the edges is, over epochs: the mean over edges, and from the lowest to the highest.

    Where the loss's curvature in alpha was measured, its largest eigenvalue stands below.

    Args:
        result: Of a search.
        width: Of the figure.
    """
    open_shares = entropy(result.weights)
    epochs = np.arange(len(open_shares))
    measured = result.epochs.dropna(subset=["eigenvalue"])
    panels = 1 if measured.empty else 2
    with paper_style():
        figure = Figure(figsize=(figure_width(width), 0.5 + 1.5 * panels), layout="constrained")
        ax, *below = figure.subplots(panels, sharex=True, squeeze=False)[:, 0]
        ax.fill_between(epochs, open_shares.min(1), open_shares.max(1), color="#0072B2", alpha=0.2, lw=0)
        ax.plot(epochs, open_shares.mean(1), color="#0072B2", lw=1.4)
        ax.set_ylabel("entropy / uniform")
        for lower in below:
            lower.plot(measured["epoch"], measured["eigenvalue"], color="#B84E00", marker="o", ms=3, lw=1.2)
            if sharper := sharpened(measured["epoch"].tolist(), measured["eigenvalue"].tolist()):
                lower.axvline(sharper[0], color="#7F7F7F", ls="--", lw=0.8)
            lower.set_ylim(bottom=0)
            lower.set_ylabel("largest eigenvalue")
        figure.axes[-1].set_xlabel("epoch")
    return figure


def plot_genotype(wiring: Genotype | SearchResult, width: str | float = "neurips") -> Figure:
    """Draw a wiring: the groups x1 to x4 below, the nodes s1 to s4 above, an arrow per edge in the operation's colour.

    Of a search, an arrow says the weight of its operation, and is dashed where the search has not decided.

    Args:
        wiring: A genotype, or the search that found one.
        width: Of the figure.
    """
    weights: dict[tuple[int, int], float] = {}
    firm: dict[tuple[int, int], bool] = {}
    if isinstance(wiring, SearchResult):
        table = wiring.edges
        edges = list(zip(table["node"], table["source"], strict=True))
        weights = dict(zip(edges, table["weight"], strict=True))
        firm = dict(zip(edges, table["decided"], strict=True))
    genotype = wiring.genotype if isinstance(wiring, SearchResult) else wiring
    with paper_style():
        inches = figure_width(width)
        figure = Figure(figsize=(inches, 0.6 * inches + 0.6), layout="constrained")
        ax = figure.subplots()
        ax.set_axis_off()
        ax.set_aspect("equal")
        ax.set_xlim(0.7, NODES + 0.3)
        ax.set_ylim(-1.3, 1.2)
        shown: dict[str, None] = {}
        for node, edges_of_node in enumerate(genotype.nodes(), start=1):
            for operation, source in edges_of_node:
                shown[operation] = None
                _arrow(ax, node, source, operation, weights.get((node, source)), firm.get((node, source), True))
        for node in range(1, NODES + 1):
            _box(ax, node, 0.0, f"s{node}")
            _box(ax, node, -1.0, f"x{node}")
        handles = [Line2D([], [], color=colour_of(name), lw=2, label=name) for name in shown]
        if not all(firm.values()):
            handles.append(Line2D([], [], color="#444444", lw=1.2, ls=(0, (3, 2)), label="undecided"))
        figure.legend(handles=handles, loc="outside lower center", ncols=int(inches / LEGEND_INCHES))
    return figure


def _arrow(ax: Axes, node: int, source: int, operation: str, weight: float | None, firm: bool) -> None:
    skipped = node - source - 1 if source else 0
    x = float(source or node)
    if not source:
        start, end = (x, -1 + RADIUS), (x, -RADIUS)
    elif not skipped:
        start, end = (x + RADIUS, 0.0), (node - RADIUS, 0.0)
    else:
        apart = 0.09 * (NODES - 2 - skipped)  # two arrows that end at one node do not cover each other's heads
        start, end = (x + apart, RADIUS), (node - apart, RADIUS)
    bend = -BEND * skipped**0.5
    line: Any = "-" if firm else (0, (3, 2))
    arrow = FancyArrowPatch(
        start,
        end,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>",
        mutation_scale=9,
        lw=1.2 if weight is None else 0.8 + 3.0 * weight,
        ls=line,
        color=colour_of(operation),
        shrinkA=0,
        shrinkB=0,
    )
    ax.add_patch(arrow)
    if weight is not None:  # on the middle of the curve
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - bend * (end[0] - start[0]) / 2
        clear = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"}
        ax.text(*middle, f"{weight:.2f}", color=colour_of(operation), ha="center", va="center", fontsize=7, bbox=clear)


def _box(ax: Axes, x: float, y: float, text: str) -> None:
    ax.text(x, y, text, ha="center", va="center", bbox={"boxstyle": "circle,pad=0.3", "fc": "white", "ec": "#444444"})


def _name(node: int, source: int) -> str:
    return f"s{source}" if source else f"x{node}"


def search_figures(result: SearchResult, width: str | float = "neurips") -> dict[str, tuple[Figure, str]]:
    """Return the figures of a search by name, each with its caption.

    Args:
        result: Of a search.
        width: Of the figures of weights and wiring.
    """
    decided = int(result.edges["decided"].sum())
    settings = result.settings
    how = f"Search {settings['name']}, order {settings['order']}, seed {settings['seed']}"
    return {
        "alphas": (
            plot_alphas(result, width),
            f"{how}: weight of every operation on every edge after each epoch, rows by the node that the edge enters. "
            "The operation that was chosen is thick; none, which is never chosen, is dotted.",
        ),
        "entropy": (
            plot_entropy(result),
            f"{how}: entropy of the weights of an edge over that of uniform weights, mean over edges, shaded from the "
            "lowest edge to the highest; 1 is open, 0 decided."
            + ("" if result.epochs["eigenvalue"].isna().all() else CURVATURE),
        ),
        "genotype": (
            plot_genotype(result, width),
            f"{how}: the wiring of the strongest operations, with their weights; {decided} of {len(STANDARD_EDGES)} "
            "edges are decided (margin of twice its standard deviation over the last five epochs or more), the others "
            "are dashed.",
        ),
    }
