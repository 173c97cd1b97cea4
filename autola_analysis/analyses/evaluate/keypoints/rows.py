"""Rows of the tables of an evaluation of joints, of one network and of a variant over all its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from autola_analysis.analyses.analysis import Lines
from autola_analysis.analyses.evaluate.coco_numbers import ANALYSIS, metric_of, metric_statistics
from autola_analysis.analyses.evaluate.estimates import estimate, triple
from autola_analysis.analyses.evaluate.found_result import numbers_of, runs_of
from autola_analysis.analyses.evaluate.keypoints.numbers import KeypointNumbers, error_of, strictly_of, within_of
from autola_analysis.analyses.evaluate.keypoints.result import (
    ALL_JOINTS,
    CONTROL,
    JOINT_TABLE,
    KEYPOINT_TABLE,
    KeypointResult,
)
from autola_analysis.core.text import number_text, percent_text
from autola_analysis.inference.tasks.coco_metrics import KEYPOINT_METRICS
from autola_analysis.statistics.difference import Comparable
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES
from autola_analysis.statistics.resampled import ResampledStatistic


def keypoint_rows(
    model: str, run: str, runs: Sequence[KeypointNumbers], joints: Sequence[str], people: Mapping[str, int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `KEYPOINT_TABLE` and of `JOINT_TABLE`.

    Args:
        model: Name of the variant.
        run: Name of the training run; empty for all.
        runs: Numbers of the runs.
        joints: Names of the joints.
        people: Number of people who count for each metric.
    """
    about = {"model": model, "run": run}
    metrics = [
        {
            **about,
            "metric": name,
            "images": runs[0].images,
            "people": people[name],
            **estimate(metric_of(runs, list(KEYPOINT_METRICS), name), ("value", "ci_low", "ci_high")),
        }
        for name in KEYPOINT_METRICS
    ]
    labelled = runs[0].labelled.sum(0)
    per_joint = [
        {
            **about,
            "joint": name,
            "labelled": int(labelled[joint]),
            **estimate(within_of(runs, joint), ("within_oks50", "ci_low", "ci_high")),
            **estimate(strictly_of(runs, joint), ("within_oks90", "strict_ci_low", "strict_ci_high")),
            **estimate(error_of(runs, joint), ("mean_error_px", "error_ci_low", "error_ci_high"), bounded=False),
        }
        for joint, name in enumerate([*joints, ALL_JOINTS])
    ]
    return KEYPOINT_TABLE.frame(metrics), JOINT_TABLE.frame(per_joint)


def rows_over_runs(results: Sequence[KeypointResult]) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return the rows of both tables for every variant with three runs or more, over runs and images together."""
    rows = []
    for name, runs in runs_of(results).items():
        if len(runs) >= RUNS_FOR_MODULES:
            people = dict(zip(runs[0].metrics["metric"], runs[0].metrics["people"], strict=True))
            rows.append(keypoint_rows(name, "", [each.numbers for each in runs], runs[0].joints, people))
    return rows


def keypoint_statistics(results: Sequence[KeypointResult]) -> list[Comparable]:
    """Return what variants are compared by: COCO's metrics as far as there are people for them, and the joints."""
    numbers = numbers_of([each for each in results if each.model != CONTROL])
    statistics = metric_statistics(numbers, list(KEYPOINT_METRICS))
    for name, of_joint in (
        ("within_oks50", within_of),
        ("within_oks90", strictly_of),
        ("mean_error_px", error_of),
    ):
        of_all = {model: of_joint(runs, -1) for model, runs in numbers.items()}
        statistics.append(ResampledStatistic(ANALYSIS, "", name, of_all))
    return statistics


def keypoint_lines(results: Sequence[KeypointResult]) -> Lines:
    """Return what the command prints: a line per network, and one of what knows nothing but the boxes."""
    several_runs = any(each.run != "1" for each in results)
    lines = []
    for each in results:
        rows = {row["metric"]: row for row in each.metrics.to_dict("records")}
        everything = {row["joint"]: row for row in each.per_joint.to_dict("records")}[ALL_JOINTS]
        value, low, high = (float(rows["ap"][key]) for key in ("value", "ci_low", "ci_high"))
        others = [number_text(100 * rows[name]["value"])[:-2] for name in ("ap50", "ap75", "ar")]
        name = f"{each.model} run {each.run}" if several_runs else each.model
        counts = [str(rows["ap"][key]) for key in ("images", "people")]
        error = f"{everything['mean_error_px']:.2f}"
        lines.append([name, *counts, percent_text(value, low, high, unit=""), *others, error])
    return Lines(["model", "images", "people", "AP, 95% interval", "AP50", "AP75", "AR", "error, px"], lines)


def joint_estimates(
    numbers: Mapping[str, Sequence[KeypointNumbers]], joints: Sequence[int], errors: bool
) -> dict[str, list[tuple[float, float, float]]]:
    """Return the mean error of joints, or the share of them that is found, with its interval per variant."""
    of_joint = error_of if errors else within_of
    return {
        name: [triple(of_joint(runs, joint), bounded=not errors) for joint in joints] for name, runs in numbers.items()
    }
