"""What variants are compared by: every metric of every method and layer, over all images.

Except the ceiling, which says what a layer's resolution allows and nothing of a network.
"""

from __future__ import annotations

from autola_analysis.analyses.saliency.result import ALL_METRICS, CEILING, CHANCE, SaliencyResult
from autola_analysis.statistics.difference import Statistic, values_per_image


def saliency_statistics(result: SaliencyResult) -> list[Statistic]:
    """Return the statistics of all networks; the maps that know nothing are no variant."""
    images = result.images[result.images["model"] != CHANCE]
    statistics = []
    for (method, layer), rows in images.groupby(["method", "layer"], sort=False):
        for metric in ALL_METRICS:
            if metric != CEILING and metric in rows and rows[metric].notna().any():
                values = values_per_image(rows, metric)
                statistics.append(Statistic("saliency", str(layer), f"{method} {metric}", values))
    return statistics
