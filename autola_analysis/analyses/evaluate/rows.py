"""The rows of the tables: of one network, and of a variant over its training runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.predictions import Predictions
from autola_analysis.analyses.evaluate.quality import METRICS, NOT_KNOWN, TOP1, FloatArray, estimate
from autola_analysis.analyses.evaluate.result import CLASS_TABLE, METRIC_TABLE, EvaluationResult
from autola_analysis.core.errors import OptionError
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES


def metric_rows(
    model: str, run: str, images: int, values: Mapping[str, FloatArray], outputs: int, seed: int
) -> pd.DataFrame:
    """Return rows of `METRIC_TABLE`.

    Args:
        model: Name of the variant.
        run: Name of the training run; empty for all.
        images: Number of images.
        values: Per measure ``(runs, images)``; nothing where accuracy was not measured.
        outputs: Number of outputs: top-5 accuracy takes six.
        seed: Of the bootstrap.
    """
    rows = []
    for metric in METRICS:
        if metric in values or (not values and (metric != "top5" or outputs > 5)):
            numbers = estimate(values.get(metric, np.empty((0, 0))), metric, seed)
            rows.append({"model": model, "run": run, "metric": metric, "images": images, **numbers._asdict()})
    return METRIC_TABLE.frame(rows)


def class_rows(
    model: str, run: str, runs: Sequence[Predictions], classes: Sequence[str], measured: bool, seed: int
) -> pd.DataFrame:
    """Return rows of `CLASS_TABLE`.

    Args:
        model: Name of the variant.
        run: Name of the training run; empty for all.
        runs: Predictions of each run for the same images.
        classes: Names of the outputs.
        measured: Whether the labels number the outputs.
        seed: Of the bootstrap.
    """
    predicted = np.bincount(np.concatenate([each.predicted for each in runs]), minlength=len(classes))
    whole = predicted.tolist() if len(runs) == 1 else [None] * len(classes)
    frame = pd.DataFrame({"model": model, "run": run, "class": list(classes), "predicted": whole})
    frame["predicted"] = frame["predicted"].astype("Int64")
    frame["images"] = pd.array([None] * len(classes), dtype="Int64")
    frame[["top1", "ci_low", "ci_high", "precision"]] = NOT_KNOWN
    if measured:
        images, hits = class_hits(runs, len(classes))
        frame["images"] = pd.array([len(each) for each in images], dtype="Int64")
        frame[["top1", "ci_low", "ci_high"]] = [estimate(values, seed=seed) for values in hits]
        right = np.array([values.sum() for values in hits])
        frame["precision"] = np.where(predicted > 0, right / np.maximum(predicted, 1), np.nan)
    return frame[CLASS_TABLE.names]


def class_hits(runs: Sequence[Predictions], classes: int) -> tuple[list[NDArray[np.intp]], list[FloatArray]]:
    """Return per class the numbers of its images, ``(n,)``, and whether each run is right, ``(runs, n)``."""
    labels = runs[0].labels
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=classes))[:-1]
    images = np.split(order, ends)
    correct = np.stack([each.predicted == each.labels for each in runs]).astype(float)
    return images, [correct[:, each] for each in images]


def measured_runs(results: Sequence[EvaluationResult]) -> dict[str, list[EvaluationResult]]:
    """Return the runs of every variant whose accuracy was measured, in order.

    Raises:
        OptionError: If the runs of a variant were evaluated on different images.
    """
    runs: dict[str, list[EvaluationResult]] = {}
    for result in results:
        if result.measured:
            runs.setdefault(result.model, []).append(result)
    for name, of_variant in runs.items():
        if not same_images(of_variant):
            raise OptionError(f"the runs of {name} were evaluated on different images.")
    return runs


def same_images(results: Sequence[EvaluationResult]) -> bool:
    """Return whether networks were evaluated on images with the same labels in the same order."""
    return all(np.array_equal(results[0].predictions.labels, each.predictions.labels) for each in results)


def stacked(runs: Sequence[EvaluationResult]) -> dict[str, FloatArray]:
    """Return the values of some runs per measure, ``(runs, images)``."""
    values = [run.values_per_image() for run in runs]
    return {metric: np.stack([each[metric] for each in values]) for metric in values[0]}


def rows_over_runs(results: Sequence[EvaluationResult]) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return the rows of both tables for every variant with three runs or more, over runs and images together."""
    rows = []
    for name, runs in measured_runs(results).items():
        if len(runs) >= RUNS_FOR_MODULES:
            images, outputs = len(runs[0].predictions.labels), len(runs[0].outputs)
            seed = seed_of(runs)
            rows.append(
                (
                    metric_rows(name, "", images, stacked(runs), outputs, seed),
                    class_rows(name, "", [run.predictions for run in runs], runs[0].classes, True, seed),
                )
            )
    return rows


def class_accuracies(
    results: Sequence[EvaluationResult], shown: Sequence[int] | None = None
) -> dict[str, dict[int, Any]]:
    """Return per variant the top-1 accuracy of some classes with its interval, over all runs of the variant.

    Args:
        results: One per network.
        shown: Numbers of the classes; None takes all.
    """
    found: dict[str, dict[int, Any]] = {}
    for name, runs in measured_runs(results).items():
        _, hits = class_hits([run.predictions for run in runs], len(runs[0].classes))
        numbers = range(len(hits)) if shown is None else shown
        found[name] = {label: estimate(hits[label], TOP1, seed_of(runs)) for label in numbers}
    return found


def most_different(results: Sequence[EvaluationResult], count: int) -> list[int]:
    """Return the classes whose accuracy differs most between variants, most first; of one variant, the least accurate.

    Args:
        results: One per network.
        count: Classes to return.
    """
    runs = measured_runs(results)
    hits = [class_hits([run.predictions for run in of_one], len(of_one[0].classes))[1] for of_one in runs.values()]
    means = np.array([[each.mean() if each.size else np.nan for each in of_one] for of_one in hits])
    spread = means.max(axis=0) - means.min(axis=0) if len(means) > 1 else -means[0]
    order = np.argsort(-np.nan_to_num(spread, nan=-np.inf), kind="stable")
    return [int(label) for label in order[:count] if not np.isnan(spread[label])]


def seed_of(runs: Sequence[EvaluationResult]) -> int:
    """Return the seed of the bootstrap of some runs."""
    return int(runs[0].settings.get("seed", 0))
