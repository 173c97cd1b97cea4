"""What variants are compared by: corrected mean selectivity per layer, its slope, distributions over units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.selectivity.chance import below_chance
from autola_analysis.analyses.selectivity.claims import SLOPE, mean_selectivity_by
from autola_analysis.analyses.selectivity.jackknife import FOLDS_FOR_INTERVAL, corrected_blocks
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.inference.layers import STAGE
from autola_analysis.statistics.difference import Comparable, Distribution, Statistic

FloatArray = NDArray[np.float64]
ANALYSIS = "selectivity"


def selectivity_statistics(results: Sequence[SelectivityResult]) -> tuple[list[Comparable], list[str]]:
    """Return the statistics of some networks, and sentences about the folds of images behind their intervals.

    The blocks of a mean are those of `jackknife.corrected_blocks`, one per fold of images: their mean is the corrected
    mean, their spread its standard error, and differences of variants are paired fold by fold. Where a network has no
    folds, all of them take the plain mean of that layer, since corrected and plain means cannot be compared, and there
    is no interval. A variant whose corrected mean is below chance decides no claim, see `chance.below_chance`.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.
    """
    keys: dict[str, list[str]] = {}
    for result in results:
        keys.setdefault(result.model, []).append(_folds_key(result))
    clear = {name: len(set(of_runs)) == 1 for name, of_runs in keys.items()}
    paired = len({key for of_runs in keys.values() for key in of_runs}) == 1
    means: list[Statistic] = []
    statistic = mean_selectivity_by(results[0].items) if results else ""
    drowned = below_chance(results) if results else {}
    for layer in dict.fromkeys(layer for result in results for layer in result.layers):
        values = {}
        folded = all(_folded(result, layer) for result in results if layer in result.layers)
        for name in keys:
            runs = [result for result in results if result.model == name]
            if all(layer in run.layers for run in runs):
                values[name] = np.stack([_blocks(run, layer, folded, clear[name]) for run in runs])
        hidden = frozenset(name for name in values if (name, layer) in drowned)
        means.append(Statistic(ANALYSIS, layer, statistic, values, folds=True, paired=paired, hidden=hidden))
    slope = slope_over_stages(means)
    return [*means, *([slope] if slope else []), *unit_distributions(results)], _about_folds(results, clear, paired)


def slope_over_stages(means: Sequence[Statistic]) -> Statistic | None:
    """Return the least-squares slope of corrected mean selectivity on the number of the stage, per run and fold.

    A slope is a weighted sum over stages, so that the difference of two variants' slopes is the slope of their
    difference, with the same folds and runs. None where fewer than two stages were measured. No variant is hidden here:
    no claim is about a slope, and noise in a stage moves a slope but does not make up the whole of it.
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
    return repr((settings.get("seed"), sorted(set(lengths.values())), result.items_per_class))


def _folded(result: SelectivityResult, layer: str) -> bool:
    return len(result.fold_means.get(layer, ())) >= 2


def _blocks(result: SelectivityResult, layer: str, folded: bool, clear: bool) -> FloatArray:
    """Return a value per fold of a layer, ``(F,)``; its mean alone where there are no folds to speak of."""
    mean = result.summary.loc[result.summary["layer"] == layer, "mean"].to_numpy(float)
    if not folded:
        return mean
    blocks = corrected_blocks(float(mean[0]), result.fold_means[layer], result.half_means[layer])
    return blocks if clear else blocks.mean(keepdims=True)


def _about_folds(results: Sequence[SelectivityResult], clear: dict[str, bool], paired: bool) -> list[str]:
    warnings = []
    if not all(_folded(result, layer) for result in results for layer in result.layers):
        warnings.append(
            "differences of selectivity are those of the plain, biased means and have no interval where a variant was "
            "measured without folds of images."
        )
    if any(0 < len(means) < FOLDS_FOR_INTERVAL for result in results for means in result.fold_means.values()):
        warnings.append(
            f"differences of selectivity have no interval where a variant was measured in fewer than "
            f"{FOLDS_FOR_INTERVAL} folds of images."
        )
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
