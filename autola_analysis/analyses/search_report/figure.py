"""How open the choices of several searches are, and how they rank trained networks, as figures."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from autola_analysis.report.style import VARIANT_COLOURS, figure_width, paper_style
from autola_analysis.search.history import entropy
from autola_analysis.search.result import SearchResult

PANELS = 3
MARKERS = "osD^v"


def plot_entropies(names: Sequence[str], results: Sequence[SearchResult], width: str | float = "neurips") -> Figure:
    """Draw the mean entropy of the edges over epochs, and how many choices an epoch changed, a line per search.

    Args:
        names: Of the searches.
        results: Of the searches.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
    """
    colours = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.85, len(results)))
    with paper_style():
        figure = Figure(figsize=(figure_width(width), 2.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for name, result, colour in zip(names, results, colours, strict=True):
            shares = entropy(result.weights).mean(1)
            left.plot(np.arange(len(shares)), shares, color=colour, lw=1.4, label=name)
            changed = result.epochs
            right.plot(changed["epoch"], changed["changed"], color=colour, lw=1.4, marker="o", ms=2.5)
        left.set_ylabel("entropy / uniform")
        left.set_ylim(0, 1.04)
        right.set_ylabel("edges whose choice changed")
        right.set_ylim(-0.3, 10.3)
        for ax in (left, right):
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside upper center", ncols=min(len(results), 4))
    return figure


def plot_ranking(ranking: pd.DataFrame, width: str | float = "neurips") -> Figure:
    """Draw the accuracy of networks when trained alone against that of their wiring in a search, a panel per search.

    Args:
        ranking: Columns ``search``, ``model``, ``one_shot`` and ``stand_alone``, as in ``search_ranking.csv``.
        width: Of the figure.
    """
    searches, models = (list(dict.fromkeys(ranking[name])) for name in ("search", "model"))
    columns = min(len(searches), PANELS)
    rows = -(-len(searches) // columns)
    with paper_style():
        figure = Figure(figsize=(figure_width(width), 2.1 * rows + 0.4), layout="constrained")
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for ax in axes.flat[len(searches) :]:
            ax.set_visible(False)
        for ax, search in zip(axes.flat, searches, strict=False):
            of_search = ranking[ranking["search"] == search]
            for number, model in enumerate(models):
                networks = of_search[of_search["model"] == model]
                colour, marker = VARIANT_COLOURS[number % len(VARIANT_COLOURS)], MARKERS[number % len(MARKERS)]
                ax.plot(
                    100 * networks["one_shot"], 100 * networks["stand_alone"], marker, color=colour, ms=4, label=model
                )
            ax.set_title(search, pad=3)
            ax.set_xlabel("one-shot accuracy, %")
        for ax in axes[:, 0]:
            ax.set_ylabel("trained alone, %")
        handles, names = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=min(len(models), 4))
    return figure
