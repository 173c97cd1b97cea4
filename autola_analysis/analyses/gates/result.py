"""The result of a gate analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.gates.observer import GateObserver, GateSums
from autola_analysis.core.errors import DataError
from autola_analysis.inference.accuracy import Accuracy

GATE_COLUMNS = [
    "model", "run", "module", "gate", "unit", "mean", "std", "saturated_low", "saturated_high", "class_variation"
]  # fmt: skip
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class GateResult:
    """Statistics of the gates of one network.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        gates: A row per unit of every gate, columns `GATE_COLUMNS`: mean and standard deviation over images and
            positions, share of values below 0.05 and above 0.95, and the standard deviation over classes of the
            class-conditional means (every class weighs the same).
        class_means: Mean per class of each gate, ``{"module/gate": (C, K)}``; NaN for classes without images.
        spatial_maps: Mean map of each spatial gate, ``{"module/gate": (H, W)}``.
        classes: Class names, length C.
        accuracy: Of the same pass.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside the numbers.
    """

    model: str
    run: str
    gates: pd.DataFrame
    class_means: Mapping[str, FloatArray]
    spatial_maps: Mapping[str, FloatArray]
    classes: tuple[str, ...]
    accuracy: Accuracy
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def save(self, directory: str | Path) -> None:
        """Write ``gates.csv``, the arrays and, last, ``result.json`` into a directory."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.gates.to_csv(directory / "gates.csv", index=False)
        means: dict[str, Any] = dict(self.class_means)
        maps: dict[str, Any] = dict(self.spatial_maps)
        np.savez(directory / "class_means.npz", **means)
        np.savez(directory / "spatial_maps.npz", **maps)
        rest = {
            "model": self.model,
            "run": self.run,
            "classes": self.classes,
            "accuracy": asdict(self.accuracy),
            "settings": self.settings,
            "warnings": self.warnings,
        }
        (directory / "result.json").write_text(json.dumps(rest, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: str | Path) -> GateResult:
        """Read what `save` wrote.

        Raises:
            DataError: If the directory holds no complete result.
        """
        directory = Path(directory)
        if not (directory / "result.json").exists() or not (directory / "gates.csv").exists():
            raise DataError(f"{directory} holds no saved gate result: result.json or gates.csv is not in it.")
        rest = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        text = {"model": str, "run": str, "module": str, "gate": str}
        with np.load(directory / "class_means.npz") as means, np.load(directory / "spatial_maps.npz") as maps:
            return cls(
                model=rest["model"],
                run=rest["run"],
                gates=pd.read_csv(directory / "gates.csv", dtype=text),
                class_means=dict(means),
                spatial_maps=dict(maps),
                classes=tuple(rest["classes"]),
                accuracy=Accuracy(**rest["accuracy"]),
                settings=rest["settings"],
                warnings=tuple(rest["warnings"]),
            )

    def _repr_html_(self) -> str:
        columns = ["mean", "std", "saturated_low", "saturated_high", "class_variation"]
        table = self.gates.groupby(["module", "gate"], sort=False)[columns].mean()
        html: str = table.to_html(float_format="{:.4f}".format)
        return html


def gate_rows(model: str, run: str, observer: GateObserver) -> pd.DataFrame:
    """Return the rows of `GateResult.gates`."""
    images = int(observer.counts.sum())
    frames = []
    for gate in observer.gates:
        sums = observer.sums[gate.layer]
        mean = sums.class_sums.sum(0) / images
        variance = (sums.square / images - mean.square()).clamp(min=0)
        frames.append(
            pd.DataFrame(
                {
                    "model": model,
                    "run": run,
                    "module": gate.module,
                    "gate": gate.name,
                    "unit": np.arange(len(mean)),
                    "mean": mean.numpy(),
                    "std": variance.sqrt().numpy(),
                    "saturated_low": (sums.low / images).numpy(),
                    "saturated_high": (sums.high / images).numpy(),
                    "class_variation": np.nanstd(class_means_of(sums, observer), axis=0),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)[GATE_COLUMNS]


def class_means_of(sums: GateSums, observer: GateObserver) -> FloatArray:
    """Return the mean gate per class, ``(C, K)``; NaN for classes without images."""
    counts = observer.counts.numpy()
    means = np.full(sums.class_sums.shape, np.nan)
    present = counts > 0
    means[present] = sums.class_sums.numpy()[present] / counts[present, None]
    return means
