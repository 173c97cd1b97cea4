"""The result of a selectivity analysis: tables, class means, how they came about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.selectivity.summary import LayerSelectivity
from autola_analysis.core.errors import DataError
from autola_analysis.inference.accuracy import Accuracy

UNIT_COLUMNS = [
    "model", "run", "layer", "unit", "selectivity", "preferred_class", "mean_preferred", "mean_rest", "dead"
]  # fmt: skip
SUMMARY_COLUMNS = [
    "model", "run", "layer", "units", "dead", "mean", "ci_low", "ci_high", "median", "q25", "q75", "null_mean"
]  # fmt: skip
NUMBERS_MISSING = dict.fromkeys(("selectivity", "mean", "ci_low", "ci_high", "median", "q25", "q75", "null_mean"), "")
"""Only in columns of numbers is an empty field a missing value: a variant may be called "None"."""


@dataclass(frozen=True)
class SelectivityResult:
    """Class selectivity of the layers of one network.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        units: A row per unit, columns `UNIT_COLUMNS`.
        summary: A row per layer, columns `SUMMARY_COLUMNS`.
        class_means: Mean activity per layer, ``(K, C)``; NaN for classes without images.
        classes: Class names, length C.
        accuracy: Of the same pass.
        settings: What else decided the numbers: folds, permutations, seed, precision, ...
        warnings: Sentences that belong beside the numbers.
        fold_means: Mean selectivity per layer without each fold of images in turn, ``(F,)``; empty without folds.
    """

    model: str
    run: str
    units: pd.DataFrame
    summary: pd.DataFrame
    class_means: Mapping[str, NDArray[np.float64]]
    classes: tuple[str, ...]
    accuracy: Accuracy
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fold_means: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in order."""
        return list(self.class_means)

    def save(self, directory: str | Path) -> None:
        """Write ``units.csv``, ``summary.csv``, two ``*_means.npz`` and, last, ``result.json`` into a directory."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.units.to_csv(directory / "units.csv", index=False)
        self.summary.to_csv(directory / "summary.csv", index=False)
        for name, means in (("class_means", self.class_means), ("fold_means", self.fold_means)):
            arrays: dict[str, Any] = dict(means)
            np.savez(directory / f"{name}.npz", **arrays)
        rest = {
            "model": self.model,
            "run": self.run,
            "layers": self.layers,
            "classes": self.classes,
            "accuracy": asdict(self.accuracy),
            "settings": self.settings,
            "warnings": self.warnings,
        }
        (directory / "result.json").write_text(json.dumps(rest, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: str | Path) -> SelectivityResult:
        """Read what `save` wrote.

        Raises:
            DataError: If the directory holds no complete result.
        """
        directory = Path(directory)
        manifest = directory / "result.json"
        if not manifest.exists():
            raise DataError(f"{directory} holds no saved selectivity result: there is no result.json in it.")
        rest = json.loads(manifest.read_text(encoding="utf-8"))
        text = {"model": str, "run": str, "layer": str, "preferred_class": str}
        reading: Any = {"dtype": text, "keep_default_na": False, "na_values": NUMBERS_MISSING}
        with np.load(directory / "class_means.npz") as arrays:
            means = {layer: arrays[layer] for layer in rest["layers"]}
        with np.load(directory / "fold_means.npz") as arrays:
            fold_means = {layer: arrays[layer] for layer in arrays.files}
        return cls(
            model=rest["model"],
            run=rest["run"],
            units=pd.read_csv(directory / "units.csv", **reading),
            summary=pd.read_csv(directory / "summary.csv", **reading),
            class_means=means,
            classes=tuple(rest["classes"]),
            accuracy=Accuracy(**rest["accuracy"]),
            settings=rest["settings"],
            warnings=tuple(rest["warnings"]),
            fold_means=fold_means,
        )

    def _repr_html_(self) -> str:
        html: str = self.summary.to_html(index=False, float_format="{:.4f}".format)
        return html


def unit_rows(model: str, run: str, layer: str, result: LayerSelectivity, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of `SelectivityResult.units` for one layer."""
    index = result.index
    rows = pd.DataFrame(
        {
            "model": model,
            "run": run,
            "layer": layer,
            "unit": np.arange(len(index.values)),
            "selectivity": index.values,
            "preferred_class": ["" if label < 0 else classes[label] for label in index.preferred],
            "mean_preferred": index.mean_preferred,
            "mean_rest": index.mean_rest,
            "dead": index.dead,
        }
    )
    return rows[UNIT_COLUMNS]


def summary_row(model: str, run: str, layer: str, result: LayerSelectivity) -> dict[str, Any]:
    """Return the row of `SelectivityResult.summary` for one layer."""
    values = result.index.values
    alive = values[~result.index.dead]
    q25, median, q75 = np.quantile(alive, [0.25, 0.5, 0.75]) if len(alive) else [float("nan")] * 3
    return {
        "model": model,
        "run": run,
        "layer": layer,
        "units": len(values),
        "dead": int(result.index.dead.sum()),
        "mean": float(alive.mean()) if len(alive) else float("nan"),
        "ci_low": result.interval[0],
        "ci_high": result.interval[1],
        "median": median,
        "q25": q25,
        "q75": q75,
        "null_mean": result.null_mean,
    }
