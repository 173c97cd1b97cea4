"""The table of accuracy and cost that every report has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.inference.cost import Cost
from autola_analysis.report.tables import read_table, write_table


@dataclass(frozen=True)
class MeasuredModel:
    """What a report says of a network beside the analysis.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        accuracy: On the images of the report.
        cost: Parameters and multiply-adds.
    """

    model: str
    run: str
    accuracy: Accuracy
    cost: Cost


def accuracy_table(models: Sequence[MeasuredModel]) -> pd.DataFrame:
    """Return the columns of ``tables/accuracy.csv``; accuracy is empty where it was not measured."""
    return pd.DataFrame(
        [
            {
                "model": model.model,
                "run": model.run,
                "images": model.accuracy.images,
                "top1": model.accuracy.top1,
                "top5": model.accuracy.top5,
                "parameters": model.cost.parameters,
                "macs": model.cost.macs,
            }
            for model in models
        ]
    ).astype({"top1": float, "top5": float})


def write_accuracy(directory: Path, models: Sequence[MeasuredModel]) -> None:
    """Write ``tables/accuracy.csv``."""
    write_table(directory, "accuracy", accuracy_table(models))


def read_accuracy(directory: Path) -> pd.DataFrame:
    """Read ``tables/accuracy.csv``."""
    return read_table(directory, "accuracy").astype({"top1": float, "top5": float})
