"""What the command prints of the maps of single items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from autola_analysis.analyses.analysis import Lines
from autola_analysis.core.text import interval_text


def item_lines(
    metrics: pd.DataFrame,
    what: str,
    items: Mapping[str, int],
    counted: str,
    first: str | None,
    printed: Sequence[str],
) -> Lines:
    """Return a line per variant, method and layer.

    Args:
        metrics: A row per variant, method, layer and metric, of one subset.
        what: What the items are.
        items: Number of them per variant.
        counted: The metric whose number of images is printed; every item has it.
        first: The metric that is printed with its interval; None where it was not measured.
        printed: Further metrics.
    """
    rows = []
    for (model, method, layer), group in metrics.groupby(["model", "method", "layer"], sort=False):
        found = {str(row["metric"]): row for row in group.to_dict("records")}
        cells = [str(found[counted]["images"]), str(items[str(model)])]
        if first is not None:
            row = found[first]
            cells.append(f"{row['mean']:.4f} {interval_text(row['ci_low'], row['ci_high'])}".rstrip())
        cells += [f"{found[metric]['mean']:.4f}" if metric in found else "" for metric in printed]
        rows.append([str(model), f"{method!s} {layer!s}".rstrip(), *cells])
    head = [] if first is None else [f"{first}, 95% interval"]
    return Lines(["model", "map", "images", what, *head, *printed], rows)
