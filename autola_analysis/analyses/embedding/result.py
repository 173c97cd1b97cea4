"""The result of an embedding: positions, divergence, quality, how they came about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.quality import QUALITY_COLUMNS
from autola_analysis.core.errors import DataError
from autola_analysis.inference.accuracy import Accuracy

MANIFEST = "embedding.json"


@dataclass(frozen=True, eq=False)
class Embedding:
    """Images in the plane.

    Attributes:
        coords: Positions, ``(N, 2)``, float64.
        labels: ``(N,)``.
        kl_divergence: Of the positions from the affinities; NaN for methods without one. Not comparable between
            networks.
        params: What decided the positions: method, perplexity, seed, ...
        quality: A row per space and metric, columns `QUALITY_COLUMNS`.
        ids: Name of every image.
        classes: Class names.
        model: Name of the variant.
        run: Name of the training run within the variant.
        layer: Name of the layer.
        backbone: Name of the backbone; None where that is not known.
        attention: Name of the attention module; None where that is not known.
        accuracy: Of the pass that made the features; None for features from elsewhere.
        samples: What the metrics of `quality` are means of, per space and metric, ``(N,)``: whether the nearest
            neighbours get an image right, its silhouette, ...; NaN for images that were not drawn.
        warnings: Sentences that belong beside the picture.
    """

    coords: NDArray[np.float64]
    labels: NDArray[np.int64]
    kl_divergence: float
    params: Mapping[str, Any]
    quality: pd.DataFrame
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    model: str = "model"
    run: str = "1"
    layer: str = "features"
    backbone: str | None = None
    attention: str | None = None
    accuracy: Accuracy | None = None
    samples: Mapping[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=())

    @property
    def seed(self) -> int:
        """Seed of the embedding."""
        return int(self.params["seed"])

    @property
    def drawn(self) -> bool:
        """Whether the positions are to be drawn; False where only the quality of the features was asked for."""
        return bool(self.params.get("drawn", True))

    def without_plane(self) -> Embedding:
        """Return only what it says of the features: its positions are not to be drawn or rated."""
        quality = self.quality[self.quality["space"] == "features"]
        return replace(self, quality=quality, params={**self.params, "drawn": False})

    def save(self, directory: str | Path) -> None:
        """Write ``embedding.npz``, ``quality.csv`` and, last, ``embedding.json`` into a directory."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / MANIFEST).unlink(missing_ok=True)
        samples: dict[str, Any] = {f"{space}/{metric}": values for (space, metric), values in self.samples.items()}
        np.savez(directory / "embedding.npz", coords=self.coords, labels=self.labels, **samples)
        self.quality.to_csv(directory / "quality.csv", index=False)
        rest = {
            "kl_divergence": self.kl_divergence,
            "params": dict(self.params),
            "ids": self.ids,
            "classes": self.classes,
            "model": self.model,
            "run": self.run,
            "layer": self.layer,
            "backbone": self.backbone,
            "attention": self.attention,
            "accuracy": asdict(self.accuracy) if self.accuracy else None,
            "warnings": self.warnings,
        }
        (directory / MANIFEST).write_text(json.dumps(rest, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: str | Path) -> Embedding:
        """Read what `save` wrote.

        Raises:
            DataError: If the directory holds no complete embedding.
        """
        directory = Path(directory)
        manifest = directory / MANIFEST
        if not manifest.exists():
            raise DataError(f"{directory} holds no saved embedding: there is no {MANIFEST} in it.")
        rest = json.loads(manifest.read_text(encoding="utf-8"))
        with np.load(directory / "embedding.npz") as arrays:
            coords, labels = arrays["coords"], arrays["labels"]
            samples = {_space_and_metric(name): arrays[name] for name in arrays.files if "/" in name}
        return cls(
            coords=coords,
            labels=labels,
            kl_divergence=rest["kl_divergence"],
            params=rest["params"],
            quality=read_quality(directory / "quality.csv"),
            ids=tuple(rest["ids"]),
            classes=tuple(rest["classes"]),
            model=rest["model"],
            run=rest["run"],
            layer=rest["layer"],
            backbone=rest["backbone"],
            attention=rest.get("attention"),
            accuracy=Accuracy(**rest["accuracy"]) if rest["accuracy"] else None,
            samples=samples,
            warnings=tuple(rest["warnings"]),
        )

    def _repr_html_(self) -> str:
        html: str = self.quality.to_html(index=False, float_format="{:.4f}".format, na_rep="")
        return html


def _space_and_metric(name: str) -> tuple[str, str]:
    space, _, metric = name.partition("/")
    return space, metric


def read_quality(path: Path) -> pd.DataFrame:
    """Read a table of quality as it was written."""
    text = {"model": str, "run": str, "layer": str}
    names = ["model", "run", "layer"]
    table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={
        column: "" for column in QUALITY_COLUMNS if column not in names
    })  # fmt: skip
    return table.astype({"seed": "Int64", "value": float, "ci_low": float, "ci_high": float})


def quality_of(embeddings: Sequence[Embedding]) -> pd.DataFrame:
    """Return the quality of several embeddings as one table; the feature space is the same for all seeds."""
    rows = pd.concat([embedding.quality for embedding in embeddings], ignore_index=True)
    return rows.drop_duplicates(QUALITY_COLUMNS[:6], ignore_index=True)


def seed_spread(quality: pd.DataFrame) -> pd.DataFrame:
    """Return how far each metric in the plane moves with the seed of the embedding.

    It describes the embedding, is no sample of anything, and decides nothing between networks.
    """
    plane = quality[quality["space"] == "plane"]
    groups = plane.groupby(["model", "run", "layer", "metric"], sort=False)
    spread = groups.agg(seeds=("seed", "nunique"), lowest=("value", "min"), highest=("value", "max")).reset_index()
    return spread[spread["seeds"] > 1].reset_index(drop=True)
