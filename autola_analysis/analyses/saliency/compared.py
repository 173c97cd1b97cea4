"""What variants are compared by: every metric of every method and layer, over all images.

Except the ceiling, which says what a layer's resolution allows and nothing of a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.saliency.result import ALL_METRICS, CEILING, CHANCE, SaliencyResult
from autola_analysis.statistics.difference import Statistic, values_per_image


def saliency_statistics(result: SaliencyResult) -> list[Statistic]:
    """Return the statistics of all networks; the maps that know nothing are no variant."""
    metrics = [metric for metric in ALL_METRICS if metric != CEILING and metric in result.images]
    return statistics_of(result.images[result.images["model"] != CHANCE], metrics)


def statistics_of(images: pd.DataFrame, metrics: Sequence[str]) -> list[Statistic]:
    """Return the statistics of some metrics, as far as an image has a value.

    Args:
        images: A row per network, map and image, and a column per metric.
        metrics: Names of the metrics.
    """
    statistics = []
    for (method, layer), rows in images.groupby(["method", "layer"], sort=False):
        for metric in metrics:
            if rows[metric].notna().any():
                values = values_per_image(rows, metric)
                statistics.append(Statistic("saliency", str(layer), f"{method} {metric}", values))
    return statistics
