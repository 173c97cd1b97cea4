"""The result of an evaluation: tables, and what the network predicts for every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.predictions import Predictions
from autola_analysis.analyses.evaluate.quality import FloatArray, values_per_image
from autola_analysis.core.columns import INTERVAL, Column, number, text
from autola_analysis.core.results import Arrays, Format, NetworkResult, Stored
from autola_analysis.core.tables import Table, rows_of
from autola_analysis.inference.tasks.accuracy import Accuracy

NETWORK = (
    text("model", "name of the variant"),
    text("run", "training run within the variant; empty for a variant over all its runs, from three runs on"),
)
METRIC_TABLE = Table(
    "evaluation",
    (
        *NETWORK,
        text(
            "metric", "top1, top5: share of images; nll: mean negative log likelihood in nats; ece: calibration error"
        ),
        Column("images", "count", "number of images"),
        number("value", "missing where the labels are not those of the head"),
        *INTERVAL,
    ),
    latex=True,
)
CLASS_TABLE = Table(
    "evaluation_classes",
    (
        *NETWORK,
        text("class", "name of the class"),
        Column("images", "whole", "images of the class; missing where the labels are not those of the head"),
        number("top1", "share of the images of the class that are predicted as the class"),
        *INTERVAL,
        number("precision", "share of the images predicted as the class that are of the class; missing without such"),
        Column("predicted", "whole", "images that the network predicts as the class; missing over several runs"),
    ),
)
PREDICTIONS, CONFUSION = "evaluation_predictions", "evaluation_confusion"
FORMAT = Format("evaluate", (METRIC_TABLE, CLASS_TABLE), (PREDICTIONS, CONFUSION))


@dataclass(frozen=True, repr=False)
class EvaluationResult(NetworkResult):
    """How well one network classifies.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        metrics: A row per measure, columns of `METRIC_TABLE`.
        per_class: A row per class, columns of `CLASS_TABLE`; a row per output where the labels are not those of the
            head.
        predictions: Of every image.
        classes: Class names of the data, length C.
        outputs: Names of the network's outputs, length K.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside the numbers.
    """

    FORMAT = FORMAT

    model: str
    run: str
    metrics: pd.DataFrame
    per_class: pd.DataFrame
    predictions: Predictions
    classes: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether the labels number the outputs, so that accuracy means something."""
        return self.predictions.ranks is not None

    @property
    def correct(self) -> NDArray[np.bool_] | None:
        """Whether the prediction of each image is its label, ``(N,)``; None where accuracy was not measured."""
        return None if self.predictions.ranks is None else self.predictions.ranks == 0

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Number of images per label (row) and prediction (column), ``(C, K)``."""
        return self.predictions.confusion(len(self.classes), len(self.outputs))

    @property
    def accuracy(self) -> Accuracy:
        """Top-1 and top-5 accuracy."""
        values = self.values_per_image()
        top1, top5 = (float(values[name].mean()) if name in values else None for name in ("top1", "top5"))
        return Accuracy(len(self.predictions.labels), top1, top5)

    def values_per_image(self) -> dict[str, FloatArray]:
        """Return the value of every image per measure, ``(N,)``; nothing where accuracy was not measured."""
        return values_per_image(self.predictions, len(self.outputs))

    @classmethod
    def together(cls, results: Sequence[Self], over_runs: Sequence[tuple[pd.DataFrame, pd.DataFrame]] = ()) -> Stored:
        """Return the results of some networks as tables and arrays.

        Args:
            results: One per network.
            over_runs: Rows of variants over all their runs, for both tables.
        """
        about = [
            {
                "model": each.model,
                "run": each.run,
                "classes": list(each.classes),
                "outputs": list(each.outputs),
                "settings": dict(each.settings),
                "warnings": list(each.warnings),
            }
            for each in results
        ]
        predictions = {
            f"{_key(each)}/{name}": array for each in results for name, array in each.predictions.arrays().items()
        }
        metrics = [*(each.metrics for each in results), *(rows for rows, _ in over_runs)]
        per_class = [*(each.per_class for each in results), *(rows for _, rows in over_runs)]
        return Stored(
            {
                METRIC_TABLE.name: pd.concat(metrics, ignore_index=True),
                CLASS_TABLE.name: pd.concat(per_class, ignore_index=True),
            },
            {
                PREDICTIONS: Arrays(predictions, about),
                CONFUSION: Arrays({f"{_key(each)}/confusion": each.confusion for each in results}),
            },
        )

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the results that `together` gave these tables and arrays."""
        arrays = stored.arrays[PREDICTIONS]
        results = []
        for each in arrays.about:
            names = {"model": each["model"], "run": each["run"]}
            prefix = f"{each['model']}/{each['run']}/"
            columns: dict[str, Any] = {
                name: arrays.values[prefix + name]
                for name in Predictions.__dataclass_fields__
                if prefix + name in arrays.values
            }
            results.append(
                cls(
                    **names,
                    metrics=rows_of(stored.tables[METRIC_TABLE.name], **names),
                    per_class=rows_of(stored.tables[CLASS_TABLE.name], **names),
                    predictions=Predictions(**columns),
                    classes=tuple(each["classes"]),
                    outputs=tuple(each["outputs"]),
                    settings=each["settings"],
                    warnings=tuple(each["warnings"]),
                )
            )
        return results

    def _repr_html_(self) -> str:
        html: str = self.metrics.to_html(index=False, float_format="{:.4f}".format)
        return html


def _key(result: EvaluationResult) -> str:
    return f"{result.model}/{result.run}"
