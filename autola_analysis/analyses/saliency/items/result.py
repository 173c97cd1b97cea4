"""What the results of explaining objects and joints share: who was asked, the pictures, which rows stand for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from autola_analysis.analyses.saliency.result import CHANCE, Picture, means_of, picture_arrays, pictures_of
from autola_analysis.core.results import Arrays, SavedResult, Stored

ALL = "all"
"""The subset of all items, beside those that every network finds"""


class ItemsResult(SavedResult):
    """Where the maps of single items lie, of some networks. A subclass has the tables."""

    metrics: pd.DataFrame
    pictures: Sequence[Picture]
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def networks(self) -> list[tuple[str, str]]:
        """Names and runs of the networks, in order."""
        return [(str(model), str(run)) for model, run in self.settings["networks"]]

    def _shown(self) -> Arrays:
        """Return the pictures as arrays, and what belongs beside them."""
        pixels, pictures = picture_arrays(self.pictures)
        return Arrays(pixels, {"pictures": pictures, "settings": dict(self.settings), "warnings": list(self.warnings)})

    @staticmethod
    def _of_shown(stored: Stored, name: str) -> dict[str, Any]:
        """Return the fields that `_shown` has stored under a name."""
        maps = stored.arrays[name]
        return {
            "pictures": pictures_of(maps.values, maps.about["pictures"]),
            "settings": maps.about["settings"],
            "warnings": tuple(maps.about["warnings"]),
        }

    def _repr_html_(self) -> str:
        html: str = self.metrics.to_html(index=False, float_format="{:.4f}".format)
        return html


def rows_found_by_all(rows: pd.DataFrame, item: Sequence[str], found: str) -> pd.DataFrame:
    """Return the rows of the items that every network finds.

    Args:
        rows: One per network, item and map; those of maps that know nothing decide nothing.
        item: Columns that name an item.
        found: Column that says whether the network finds it.
    """
    names = list(item)
    networks = rows[rows["model"] != CHANCE]
    by_item = networks.groupby(names, sort=False)[found].all()
    everywhere = set(by_item.index[by_item])
    keys = rows[names].itertuples(index=False, name=None)
    return rows[np.array([key in everywhere for key in keys], dtype=np.bool_)]


def means_per_image(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the mean over the items of every image: items of an image are not independent of each other."""
    keys = ["model", "run", "method", "layer", "image"]
    return rows.groupby(keys, sort=False)[list(metrics)].mean().reset_index()


def metric_table(
    subsets: Mapping[str, pd.DataFrame], metrics: Sequence[str], unbounded: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """Return the mean of each metric with a 95% interval: over images, each the mean of its items.

    See `intervals.mean_interval`; from three runs on, intervals are over runs and images.

    Args:
        subsets: Rows of items by the name of the subset.
        metrics: Columns.
        unbounded: Metrics that are no shares.
        seed: Of the bootstrap.
    """
    means = {name: means_per_image(rows, metrics) for name, rows in subsets.items()}
    return means_of(means, list(metrics), unbounded, seed)
