"""What several searches chose on every edge, as a figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from autola_analysis.attention.genotype import RELEASED, STANDARD_EDGES
from autola_analysis.report.style import figure_width, paper_style
from autola_analysis.search.agreement import choices, chosen_counts
from autola_analysis.search.result import SearchResult

ROW_INCHES = 0.22


def plot_agreement(results: Sequence[SearchResult], width: str | float = "neurips") -> Figure:
    """Draw how many searches chose an operation on an edge; a ring marks the choice of the released wiring.

    Args:
        results: Of the searches.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If the searches choose from different operations.
    """
    operations = choices(results)
    counts = chosen_counts([result.genotype for result in results], operations)
    with paper_style():
        figure = Figure(figsize=(figure_width(width), ROW_INCHES * len(STANDARD_EDGES) + 1.4), layout="constrained")
        ax = figure.subplots()
        picture = ax.imshow(counts, cmap="Blues", vmin=0, vmax=len(results), aspect="auto")
        for row, column in zip(*np.nonzero(counts), strict=True):
            shade = "white" if counts[row, column] > 0.6 * len(results) else "#222222"
            ax.text(column, row, str(counts[row, column]), ha="center", va="center", color=shade)
        rows, columns = np.nonzero(chosen_counts([RELEASED], operations))
        ax.plot(columns, rows, "o", ms=13, mfc="none", mec="#D55E00", mew=1.2, label="released wiring")
        ax.set_yticks(range(len(STANDARD_EDGES)), [edge_name(*edge) for edge in STANDARD_EDGES])
        ax.set_xticks(range(len(operations)), operations, rotation=30, ha="right", rotation_mode="anchor")
        ax.tick_params(length=0)
        whole = range(0, len(results) + 1, max(1, len(results) // 5))
        figure.colorbar(picture, ax=ax, label="searches", ticks=list(whole), fraction=0.05)
        figure.legend(loc="outside upper left")
    return figure


def edge_name(node: int, source: int) -> str:
    """Return what an edge is called: its source and the node that it enters."""
    return f"{f's{source}' if source else f'x{node}'} → s{node}"
