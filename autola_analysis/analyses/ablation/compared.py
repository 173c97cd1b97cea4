"""What variants are compared by: areas under accuracy curves, and the correlation of selectivity and drop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autola_analysis.analyses.ablation.result import AblationResult
from autola_analysis.analyses.ablation.rows import runs_by_layer, same_images
from autola_analysis.analyses.ablation.tables import (
    AREA_RANDOM,
    CORRELATION,
    LOSS_RANDOM,
    REVERSED_MINUS_RANDOM,
    SELECTIVE_MINUS_RANDOM,
)
from autola_analysis.statistics.difference import Statistic

ANALYSIS = "ablation"
COMPARED = (AREA_RANDOM, LOSS_RANDOM, SELECTIVE_MINUS_RANDOM, REVERSED_MINUS_RANDOM)


def ablation_statistics(results: Sequence[AblationResult]) -> list[Statistic]:
    """Return the statistics of every layer, paired over images, or over folds of them for the correlation."""
    paired = same_images(results)
    by_layer: dict[str, dict[str, list[AblationResult]]] = {}
    for (model, layer), runs in runs_by_layer(results).items():
        by_layer.setdefault(layer, {})[model] = runs
    statistics = []
    for layer, variants in by_layer.items():
        of_variants = {name: [run.values_per_image() for run in runs] for name, runs in variants.items()}
        for measure in COMPARED:
            values = {name: np.stack([each[measure] for each in of_runs]) for name, of_runs in of_variants.items()}
            statistics.append(Statistic(ANALYSIS, layer, measure, values, paired=paired))
        blocks = {name: [run.correlation_blocks() for run in runs] for name, runs in variants.items()}
        if len({len(each) for of_runs in blocks.values() for each in of_runs}) == 1:
            stacked = {name: np.stack(of_runs) for name, of_runs in blocks.items()}
            statistics.append(Statistic(ANALYSIS, layer, CORRELATION, stacked, folds=True, paired=paired))
    return statistics
