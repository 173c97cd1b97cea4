"""Rows of the tables of an evaluation of detectors, of one network and of a variant over all its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from autola_analysis.analyses.analysis import Lines
from autola_analysis.analyses.evaluate.coco_numbers import metric_of, metric_statistics
from autola_analysis.analyses.evaluate.detection.numbers import DetectionNumbers, class_ap_of
from autola_analysis.analyses.evaluate.detection.result import DETECTION_CLASS_TABLE, DETECTION_TABLE, DetectionResult
from autola_analysis.analyses.evaluate.estimates import estimate, triple
from autola_analysis.analyses.evaluate.found_result import numbers_of, runs_of
from autola_analysis.core.text import number_text, percent_text
from autola_analysis.inference.tasks.coco_metrics import METRICS
from autola_analysis.statistics.difference import Comparable
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES


def detection_rows(
    model: str,
    run: str,
    runs: Sequence[DetectionNumbers],
    classes: Sequence[str],
    objects: Mapping[str, int],
    objects_of_classes: Sequence[int],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `DETECTION_TABLE` and of `DETECTION_CLASS_TABLE`.

    Args:
        model: Name of the variant.
        run: Name of the training run; empty for all.
        runs: Numbers of the runs.
        classes: Names of the classes.
        objects: Number of objects that count for each metric.
        objects_of_classes: Number of objects of each class.
    """
    about = {"model": model, "run": run}
    metrics = [
        {
            **about,
            "metric": name,
            "images": int(runs[0].images),
            "objects": objects[name],
            **estimate(metric_of(runs, list(METRICS), name), ("value", "ci_low", "ci_high")),
        }
        for name in METRICS
    ]
    per_class = [
        {
            **about,
            "class": name,
            "objects": objects_of_classes[label],
            **estimate(class_ap_of(runs, label), ("ap", "ci_low", "ci_high")),
            "ap50": float(np.mean([each.class_ap50[label] for each in runs])),
        }
        for label, name in enumerate(classes)
    ]
    return DETECTION_TABLE.frame(metrics), DETECTION_CLASS_TABLE.frame(per_class)


def rows_over_runs(results: Sequence[DetectionResult]) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return the rows of both tables for every variant with three runs or more, over runs and images together."""
    rows = []
    for name, runs in runs_of(results).items():
        if len(runs) >= RUNS_FOR_MODULES:
            first = runs[0]
            objects = dict(zip(first.metrics["metric"], first.metrics["objects"], strict=True))
            of_classes = first.per_class["objects"].tolist()
            rows.append(detection_rows(name, "", [each.numbers for each in runs], first.classes, objects, of_classes))
    return rows


def detection_statistics(results: Sequence[DetectionResult]) -> list[Comparable]:
    """Return what variants are compared by: COCO's metrics, as far as the data have objects for them."""
    return metric_statistics(numbers_of(results), list(METRICS))


def detection_lines(results: Sequence[DetectionResult]) -> Lines:
    """Return what the command prints: a line per detector."""
    several_runs = any(each.run != "1" for each in results)
    lines = []
    for each in results:
        rows = {row["metric"]: row for row in each.metrics.to_dict("records")}
        value, low, high = (float(rows["ap"][key]) for key in ("value", "ci_low", "ci_high"))
        others = [number_text(100 * rows[name]["value"])[:-2] for name in ("ap50", "ap75", "ar100")]
        name = f"{each.model} run {each.run}" if several_runs else each.model
        counts = [str(rows["ap"][key]) for key in ("images", "objects")]
        lines.append([name, *counts, percent_text(value, low, high, unit=""), *others])
    return Lines(["model", "images", "objects", "AP, 95% interval", "AP50", "AP75", "AR100"], lines)


def class_estimates(
    numbers: Mapping[str, Sequence[DetectionNumbers]], labels: Sequence[int]
) -> dict[str, list[tuple[float, float, float]]]:
    """Return the average precision of classes with its interval per variant."""
    return {name: [triple(class_ap_of(runs, label)) for label in labels] for name, runs in numbers.items()}


def most_different(numbers: Mapping[str, Sequence[DetectionNumbers]], most: int) -> list[int]:
    """Return the classes with objects; of more than `most` those that differ most, of one variant the worst."""
    means = np.array([np.mean([each.class_ap for each in runs], axis=0) for runs in numbers.values()])
    known = np.flatnonzero(~np.isnan(means).any(0))
    if len(known) <= most:
        return [int(label) for label in known]
    spread = np.ptp(means, axis=0) if len(means) > 1 else -means[0]
    return [int(label) for label in known[np.argsort(-spread[known], kind="stable")[:most]]]
