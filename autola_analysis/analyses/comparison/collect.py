"""From the results of the analyses to the statistics that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.comparison.statistics import Statistic
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.saliency.result import ALL_METRICS, CHANCE, SaliencyResult
from autola_analysis.analyses.selectivity import SelectivityResult

FloatArray = NDArray[np.float64]
FEATURE_METRICS = ("knn_accuracy", "silhouette")
MEAN_SELECTIVITY = "mean_selectivity"


def selectivity_statistics(results: Sequence[SelectivityResult]) -> tuple[list[Statistic], list[str]]:
    """Return the mean selectivity over live units of every layer, and what is to be said about its blocks.

    The blocks are folds of images. With theta_f the mean without fold f, ``theta + (F - 1) (mean(theta_f) - theta_f)``
    are the jackknife's pseudo-values, moved so that their mean is theta: the spread of their mean is the jackknife's
    standard error, and differences of variants are paired fold by fold.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.
    """
    keys: dict[str, list[str]] = {}
    for result in results:
        keys.setdefault(result.model, []).append(_folds_key(result))
    clear = {name: len(set(found)) == 1 for name, found in keys.items()}
    paired = len({key for found in keys.values() for key in found}) == 1
    statistics = []
    for layer in dict.fromkeys(layer for result in results for layer in result.layers):
        values = {}
        for name in keys:
            runs = [result for result in results if result.model == name]
            if all(layer in run.layers for run in runs):
                values[name] = np.stack([_fold_blocks(run, layer, clear[name]) for run in runs])
        statistics.append(Statistic("selectivity", layer, MEAN_SELECTIVITY, values, folds=True, paired=paired))
    return statistics, _about_folds(results, clear, paired)


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
    said = []
    if any(len(means) < 2 for result in results for means in result.fold_means.values() or [()]):
        said.append("differences of selectivity have no interval where a variant was measured without image folds.")
    said += [
        f"differences of selectivity from {name} have no interval: its runs were measured on different images or folds."
        for name, same in clear.items()
        if not same
    ]
    if not paired:
        said.append(
            "differences of selectivity are not paired: the variants were measured on different images or folds, so "
            "that intervals are wider than they need be."
        )
    return said


def unit_distributions(results: Sequence[SelectivityResult]) -> dict[str, dict[str, FloatArray]]:
    """Return the selectivities of the live units per layer and variant, runs pooled."""
    found: dict[str, dict[str, FloatArray]] = {}
    if not results:
        return found
    units = pd.concat([result.units for result in results], ignore_index=True).dropna(subset=["selectivity"])
    for (layer, model), rows in units.groupby(["layer", "model"], sort=False):
        found.setdefault(str(layer), {})[str(model)] = rows["selectivity"].to_numpy(float)
    return found


def saliency_statistics(result: SaliencyResult) -> list[Statistic]:
    """Return every metric of every method and layer, over all images."""
    images = result.images[result.images["model"] != CHANCE]
    statistics = []
    for (method, layer), rows in images.groupby(["method", "layer"], sort=False):
        for metric in ALL_METRICS:
            if metric in rows and rows[metric].notna().any():
                values = _per_image(rows, metric)
                statistics.append(Statistic("saliency", str(layer), f"{method} {metric}", values))
    return statistics


def embedding_statistics(embeddings: Sequence[Embedding]) -> tuple[list[Statistic], list[str]]:
    """Return accuracy of the nearest neighbours and silhouette in the feature space, per layer."""
    first: dict[tuple[str, str, str], Embedding] = {}
    for each in embeddings:  # the feature space is the same for all seeds
        first.setdefault((each.layer, each.model, each.run), each)
    statistics = []
    for layer in dict.fromkeys(each.layer for each in embeddings):
        for metric in FEATURE_METRICS:
            rows = [
                pd.DataFrame(
                    {"model": each.model, "run": each.run, "image": each.ids, metric: each.samples["features", metric]}
                )
                for each in first.values()
                if each.layer == layer and ("features", metric) in each.samples
            ]
            if rows:
                values = _per_image(pd.concat(rows, ignore_index=True), metric)
                statistics.append(Statistic("embedding", layer, metric, values))
    if len({frozenset(each.ids) for each in embeddings}) > 1:
        return statistics, ["features were not all extracted from the same images; only shared images are compared."]
    return statistics, []


def accuracy_statistics(
    saliency: SaliencyResult | None, others: Sequence[SelectivityResult | Embedding]
) -> list[Statistic]:
    """Return top-1 accuracy: per image where saliency has predictions, else of the passes, without an interval."""
    values: dict[str, FloatArray] = {}
    if saliency is not None:
        images = saliency.images[saliency.images["model"] != CHANCE].dropna(subset=["label", "predicted"])
        images = images.drop_duplicates(["model", "run", "image"])
        values = _per_image(images.assign(top1=(images["label"] == images["predicted"]).astype(float)), "top1")
    if not values:
        shares: dict[str, dict[str, float]] = {}
        for each in others:
            if each.accuracy is not None and each.accuracy.top1 is not None:
                shares.setdefault(each.model, {}).setdefault(each.run, each.accuracy.top1)
        values = {model: np.array(list(runs.values()))[:, None] for model, runs in shares.items()}
    return [Statistic("accuracy", "", "top1", values)] if values else []


def _per_image(rows: pd.DataFrame, column: str) -> dict[str, FloatArray]:
    """Return the values of a column per variant, ``(runs, images)``; the same images in the same order in all."""
    table: Any = rows.pivot(index=["model", "run"], columns="image", values=column)
    return {str(model): table.loc[[model]].to_numpy(float) for model in dict.fromkeys(rows["model"])}
