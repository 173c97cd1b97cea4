"""What results and sections of objects and of joints say and show alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import pandas as pd

from autola_analysis.analyses.saliency.methods import ALIASES, METHODS
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.result import Panel
from autola_analysis.core.tables import rows_of, side_by_side
from autola_analysis.core.text import counted

T = TypeVar("T")


def way_of_choosing(options: SaliencyOptions, shown: int, of_all: int) -> str:
    """Return how the images, or people, to show are chosen, as the end of "the images are ...".

    Args:
        options: Seed, and those that were named.
        shown: How many are shown.
        of_all: How many there are.
    """
    if options.shown is not None:
        return "chosen by hand"
    if shown == of_all:
        return "all that were explained"
    return f"drawn at random (seed {options.seed}), before any map was made"


def panels_by_item(panels: Sequence[tuple[int, int, Panel]]) -> dict[tuple[int, int], list[Panel]]:
    """Return the maps of every item, in the order of the images, or people, and of the items in them."""
    by_item: dict[tuple[int, int], list[Panel]] = {}
    for number, place, panel in panels:
        by_item.setdefault((number, place), []).append(panel)
    return dict(sorted(by_item.items(), key=lambda each: each[0]))


def in_turn(groups: Sequence[Sequence[T]]) -> list[T]:
    """Return the first of every group, then the second of every group that has one, and so on."""
    longest = max(map(len, groups))
    return [group[place] for place in range(longest) for group in groups if place < len(group)]


def metric_tables(
    metrics: pd.DataFrame, subsets: Mapping[str, str], unbounded: Sequence[str], title: str = "Where the maps lie"
) -> dict[str, pd.DataFrame]:
    """Return a table per subset, with a column per metric that is a share.

    Args:
        metrics: Rows of `METRICS_TABLE`.
        subsets: Name of a subset -> what it is, as titles say it.
        unbounded: Metrics that are left out.
        title: Beginning of the title of every table.
    """
    tables = {}
    for subset, what in subsets.items():
        rows = rows_of(metrics, subset=subset)
        shares = rows[~rows["metric"].isin(unbounded)]
        if len(shares):
            images = counted(int(shares["images"].max()), "image")
            tables[f"{title}, {what}: means over {images} with 95% intervals"] = side_by_side(
                shares, ["method", "layer", "model"], "metric", "mean"
            )
    return tables


def citation(method: str) -> str:
    """Return the key of the work that a method is from."""
    return "zhao2023" if method in ALIASES else METHODS.get(method).citation
