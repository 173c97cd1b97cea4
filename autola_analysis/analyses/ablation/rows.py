"""The rows of the tables, with intervals: of one network, and of a variant over its training runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from autola_analysis.analyses.ablation.orders import FloatArray
from autola_analysis.analyses.ablation.tables import (
    ABLATION_TABLE,
    ACCURACY,
    CORRELATION,
    CURVE_TABLE,
    SPREAD,
)
from autola_analysis.core.errors import OptionError
from autola_analysis.statistics.intervals import NONE, RUNS_FOR_MODULES, Interval, sum_interval

if TYPE_CHECKING:
    from autola_analysis.analyses.ablation.result import AblationResult


def summary_rows(results: Sequence[AblationResult]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `ABLATION_TABLE` and of `CURVE_TABLE`.

    A variant has rows over all its runs from three runs on.
    """
    groups: list[tuple[str, Sequence[AblationResult]]] = []
    for runs in runs_by_layer(results).values():
        groups += [(run.run, [run]) for run in runs]
        if len(runs) >= RUNS_FOR_MODULES:
            groups.append(("", runs))
    measures, curves = [], []
    for run, group in groups:
        names = {"model": group[0].model, "run": run, "layer": group[0].layer}
        measures += [{**names, **row} for row in _measures(group)]
        curves += [{**names, **row} for row in curve_rows(group)]
    return ABLATION_TABLE.frame(measures), CURVE_TABLE.frame(curves)


def runs_by_layer(results: Sequence[AblationResult]) -> dict[tuple[str, str], list[AblationResult]]:
    """Return the runs of every variant and layer, in order.

    Raises:
        OptionError: If the runs of a variant were ablated on different images, or in another number of steps.
    """
    runs: dict[tuple[str, str], list[AblationResult]] = {}
    for result in results:
        runs.setdefault((result.model, result.layer), []).append(result)
    for (model, _), of_variant in runs.items():
        if not same_images(of_variant):
            raise OptionError(f"the runs of {model} were ablated on different images.")
        if len({len(run.shares) for run in of_variant}) > 1:
            raise OptionError(f"the runs of {model} were ablated in different numbers of steps.")
    return runs


def same_images(results: Sequence[AblationResult]) -> bool:
    """Return whether networks were ablated on images with the same labels in the same order."""
    return len({result.settings["labels"] for result in results}) <= 1


def curve_rows(runs: Sequence[AblationResult]) -> list[dict[str, object]]:
    """Return the accuracy at every step of every order, over some runs of a variant, with intervals."""
    rows: list[dict[str, object]] = []
    of_runs = [run.curves.shares() for run in runs]
    for order in of_runs[0]:
        stacked = np.stack([shares[order] for shares in of_runs])
        for step, share in enumerate(runs[0].shares):
            values = stacked[:, :, step]
            low, high = np.clip(interval(values), 0, 1)
            rows.append({"order": order, "share": share, "accuracy": values.mean(), "ci_low": low, "ci_high": high})
    return rows


def interval(values: FloatArray, folds: bool = False) -> Interval:
    """Return the 95% interval of the mean of ``(runs, images)``: over images, from three runs on over both."""
    return sum_interval([values], paired=False, folds=folds)


def _measures(runs: Sequence[AblationResult]) -> list[dict[str, object]]:
    of_runs = [run.values_per_image() for run in runs]
    images = runs[0].images
    rows = []
    for measure in of_runs[0]:
        values = np.stack([of_run[measure] for of_run in of_runs])
        limits = NONE if measure == ACCURACY else interval(values)  # an accuracy's interval is in `evaluate`
        rows.append(_row(measure, images, float(values.mean()), limits))
    blocks = [run.correlation_blocks() for run in runs]
    limits = interval(np.stack(blocks), folds=True) if len({len(each) for each in blocks}) == 1 else NONE
    rows.append(_row(CORRELATION, images, float(np.mean([run.correlation for run in runs])), limits))
    spread = float(np.mean([run.curves.random_areas().std(ddof=1) for run in runs]))
    return [*rows, _row(SPREAD, images, spread, NONE)]


def _row(measure: str, images: int, value: float, limits: Interval) -> dict[str, object]:
    return {"measure": measure, "images": images, "value": value, "ci_low": limits[0], "ci_high": limits[1]}
