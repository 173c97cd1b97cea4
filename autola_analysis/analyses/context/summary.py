"""What the rows of all images sum up to, and what variants are compared by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from autola_analysis.analyses.context.kinds import PASTED_BACK, UNALTERED, control_of
from autola_analysis.analyses.context.result import SUMMARY, ContextResult
from autola_analysis.statistics.difference import FloatArray, Statistic
from autola_analysis.statistics.intervals import mean_interval, share_interval

ANALYSIS = "context"
METRICS = {"accuracy": "correct", "score": "score"}
"""Metric -> the column that it is the mean of"""


def summary_of(images: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return the rows of `SUMMARY`: over all runs of a variant, images without a value left out.

    Args:
        images: Rows of `IMAGES`.
        seed: Of the bootstrap.
    """
    rows = []
    for metric, kind, control, values in _measured(images):
        for model, of_model in values.items():
            kept = of_model[:, ~np.isnan(of_model).any(axis=0)]
            if kept.size:
                runs, count = kept.shape
                interval = mean_interval if control else share_interval  # a drop may be negative
                rows.append([model, kind, metric, control, count, runs, kept.mean(), *interval(kept, seed)])
    order = {model: place for place, model in enumerate(dict.fromkeys(images["model"]))}
    return SUMMARY.frame(sorted(rows, key=lambda row: order[row[0]]))


def context_statistics(result: ContextResult) -> list[Statistic]:
    """Return accuracy, score and their drops by kind; no drop of a control that is the image itself."""
    exact = bool(result.settings["exact"])
    return [
        Statistic(ANALYSIS, "", f"{metric} {kind}", values)
        for metric, kind, _, values in _measured(result.images)
        if not (exact and kind == PASTED_BACK)
    ]


def _measured(images: pd.DataFrame) -> Iterator[tuple[str, str, str, dict[str, FloatArray]]]:
    """Yield metric, kind, control and the values per variant, ``(runs, images)``; NaN where an image has none."""
    names = list(dict.fromkeys(images["image"]))
    kinds = [str(kind) for kind in dict.fromkeys(images["kind"])]
    by_kind = {kind: images[images["kind"] == kind] for kind in kinds}
    for metric, column in METRICS.items():
        values = {kind: _matrices(rows, column, names) for kind, rows in by_kind.items()}
        for kind in kinds:
            yield metric, kind, "", values[kind]
        for kind in kinds:
            if kind != UNALTERED:
                control = control_of(kind)
                drops = {model: values[control][model] - values[kind][model] for model in values[kind]}
                yield f"{metric}_drop", kind, control, drops


def _matrices(rows: pd.DataFrame, column: str, names: list[str]) -> dict[str, FloatArray]:
    table: Any = rows.pivot(index=["model", "run"], columns="image", values=column).reindex(columns=names)
    return {str(model): table.loc[[model]].to_numpy(float) for model in dict.fromkeys(rows["model"])}
