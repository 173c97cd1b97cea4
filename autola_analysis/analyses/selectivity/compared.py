"""What variants are compared by: mean selectivity per layer, its slope over layers, distributions over units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.selectivity.claims import MEAN_SELECTIVITY, SLOPE
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.inference.layers import STAGE
from autola_analysis.statistics.difference import Comparable, Distribution, Statistic

FloatArray = NDArray[np.float64]
ANALYSIS = "selectivity"


def selectivity_statistics(results: Sequence[SelectivityResult]) -> tuple[list[Comparable], list[str]]:
    """Return the statistics of some networks, and sentences about the folds of images behind their intervals.

    The blocks of a mean are folds of images. With theta_f the mean without fold f,
    ``theta + (F - 1) (mean(theta_f) - theta_f)`` are the jackknife's pseudo-values, moved so that their mean is theta:
    the spread of their mean is the jackknife's standard error, and differences of variants are paired fold by fold.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.
    """
    keys: dict[str, list[str]] = {}
    for result in results:
        keys.setdefault(result.model, []).append(_folds_key(result))
    clear = {name: len(set(of_runs)) == 1 for name, of_runs in keys.items()}
    paired = len({key for of_runs in keys.values() for key in of_runs}) == 1
    means = []
    for layer in dict.fromkeys(layer for result in results for layer in result.layers):
        values = {}
        for name in keys:
            runs = [result for result in results if result.model == name]
            if all(layer in run.layers for run in runs):
                values[name] = np.stack([_fold_blocks(run, layer, clear[name]) for run in runs])
        means.append(Statistic(ANALYSIS, layer, MEAN_SELECTIVITY, values, folds=True, paired=paired))
    slope = slope_over_stages(means)
    return [*means, *([slope] if slope else []), *unit_distributions(results)], _about_folds(results, clear, paired)


def slope_over_stages(means: Sequence[Statistic]) -> Statistic | None:
    """Return the least-squares slope of mean selectivity on the number of the stage, as values per run and fold.

    A slope is a weighted sum over stages, so that the difference of two variants' slopes is the slope of their
    difference, with the same folds and runs. None where fewer than two stages were measured.
    """
    parts = [mean for mean in means if STAGE.match(mean.layer)]
    if len(parts) < 2 or any(part.values.keys() != parts[0].values.keys() for part in parts):
        return None
    numbers = np.arange(len(parts)) - (len(parts) - 1) / 2
    weights = numbers / (numbers**2).sum()
    values = {
        name: np.sum([weight * part.values[name] for weight, part in zip(weights, parts, strict=True)], axis=0)
        for name in parts[0].values
    }
    layers = f"{parts[0].layer} to {parts[-1].layer}"
    return Statistic(ANALYSIS, layers, SLOPE, values, folds=True, paired=parts[0].paired, summary=True)


def unit_distributions(results: Sequence[SelectivityResult]) -> list[Distribution]:
    """Return the selectivities of the live units of every layer, the runs of a variant pooled."""
    if not results:
        return []
    runs = {result.model: sum(other.model == result.model for other in results) for result in results}
    units = pd.concat([result.units for result in results], ignore_index=True).dropna(subset=["selectivity"])
    by_layer: dict[str, dict[str, FloatArray]] = {}
    for (layer, model), rows in units.groupby(["layer", "model"], sort=False):
        by_layer.setdefault(str(layer), {})[str(model)] = rows["selectivity"].to_numpy(float)
    return [Distribution(ANALYSIS, layer, values, runs) for layer, values in by_layer.items()]


def _folds_key(result: SelectivityResult) -> str:
    """Return what decides the folds of a result: equal keys mean equal folds."""
    settings = result.settings
    lengths = {layer: len(means) for layer, means in result.fold_means.items()}
    return repr((settings.get("seed"), sorted(set(lengths.values())), settings.get("images_per_class")))


def _fold_blocks(result: SelectivityResult, layer: str, clear: bool) -> FloatArray:
    """Return the moved pseudo-values of a layer, ``(F,)``; its mean alone where there are no folds to speak of."""
    theta = result.summary.loc[result.summary["layer"] == layer, "mean"].to_numpy(float)
    fold_means = result.fold_means.get(layer, np.empty(0))
    if len(fold_means) < 2 or not clear:
        return theta
    return theta + (len(fold_means) - 1) * (fold_means.mean() - fold_means)


def _about_folds(results: Sequence[SelectivityResult], clear: dict[str, bool], paired: bool) -> list[str]:
    warnings = []
    if any(len(means) < 2 for result in results for means in result.fold_means.values() or [()]):
        warnings.append("differences of selectivity have no interval where a variant was measured without image folds.")
    warnings += [
        f"differences of selectivity from {name} have no interval: its runs were measured on different images or folds."
        for name, same in clear.items()
        if not same
    ]
    if not paired:
        warnings.append(
            "differences of selectivity are not paired: the variants were measured on different images or folds, so "
            "that intervals are wider than they need be."
        )
    return warnings
