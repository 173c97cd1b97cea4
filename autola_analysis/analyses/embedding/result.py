"""The result of an embedding: positions, divergence, quality, how they came about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.features import NO_LABEL
from autola_analysis.analyses.embedding.quality import QUALITY
from autola_analysis.core.columns import MODEL, count, number, text
from autola_analysis.core.results import Arrays, Format, NetworkResult, Stored
from autola_analysis.core.tables import Table, rows_of
from autola_analysis.inference.tasks.accuracy import Accuracy

SEEDS = Table(
    "embedding_seeds",
    (
        *MODEL,
        text("layer", "name of the layer"),
        text("metric", "of the plane"),
        count("seeds", "number of embeddings of the same features"),
        number("lowest", "of these embeddings"),
        number("highest", "of these embeddings"),
    ),
    optional=True,
)
FORMAT = Format("embedding", (QUALITY, SEEDS), ("embeddings", "embedding_samples"))
FACTS = ("model", "run", "layer", "backbone", "attention")


@dataclass(frozen=True, eq=False)
class Embedding(NetworkResult):
    """Images in the plane.

    Attributes:
        coords: Positions, ``(N, 2)``, float64.
        labels: ``(N,)``; all are -1 where the classes of the images are not known.
        kl_divergence: Of the positions from the affinities; NaN for methods without one. Not comparable between
            networks.
        params: What decided the positions: method, perplexity, seed, ...
        quality: A row per space and metric, columns of `QUALITY`.
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

    FORMAT = FORMAT

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
    def key(self) -> str:
        """Names it among other embeddings: network, run, layer and seed."""
        return _key(self.model, self.run, self.layer, self.seed)

    @property
    def labelled(self) -> bool:
        """Whether the classes of the images are known."""
        return bool((self.labels != NO_LABEL).any())

    @property
    def drawn(self) -> bool:
        """Whether the positions are to be drawn; False where only the quality of the features was asked for."""
        return bool(self.params.get("drawn", True))

    def without_plane(self) -> Embedding:
        """Return only what it says of the features: its positions are not to be drawn or rated."""
        quality = self.quality[self.quality["space"] == "features"]
        samples = {key: values for key, values in self.samples.items() if key[0] == "features"}
        return replace(self, quality=quality, samples=samples, params={**self.params, "drawn": False})

    @classmethod
    def together(cls, embeddings: Sequence[Self]) -> Stored:
        """Return embeddings of the same images as tables and arrays.

        What the metrics are means of is kept too, so that variants can be compared anew.
        """
        quality = quality_of(embeddings)
        spread = seed_spread(quality)
        first = embeddings[0]
        positions = {
            "labels": first.labels,
            "ids": np.array(first.ids, str),
            "classes": np.array(first.classes, str),
            **{each.key: each.coords for each in embeddings},
        }
        about = [
            {
                **{name: getattr(each, name) for name in FACTS},
                "params": dict(each.params),
                "kl_divergence": None if math.isnan(each.kl_divergence) else each.kl_divergence,
                "accuracy": asdict(each.accuracy) if each.accuracy else None,
                "warnings": list(each.warnings),
            }
            for each in embeddings
        ]
        samples = {
            f"{each.key}/{space}/{metric}": values
            for each in embeddings
            for (space, metric), values in each.samples.items()
        }
        return Stored(
            {QUALITY.name: quality, **({SEEDS.name: spread} if len(spread) else {})},
            {"embeddings": Arrays(positions, about), "embedding_samples": Arrays(samples)},
        )

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the embeddings that `together` gave these tables and arrays."""
        arrays, samples = stored.arrays["embeddings"], stored.arrays["embedding_samples"].values
        embeddings = []
        for each in arrays.about:
            names, seed = {name: each[name] for name in ("model", "run", "layer")}, each["params"]["seed"]
            rows = rows_of(stored.tables[QUALITY.name], **names)
            own = (rows["space"] == "features") | rows["seed"].eq(seed).fillna(False)
            rows = rows[own.astype(bool)].reset_index(drop=True)
            key = _key(**names, seed=seed)
            measured = {pair: f"{key}/{'/'.join(pair)}" for pair in zip(rows["space"], rows["metric"], strict=True)}
            embeddings.append(
                cls(
                    coords=arrays.values[key],
                    labels=arrays.values["labels"],
                    kl_divergence=math.nan if each["kl_divergence"] is None else each["kl_divergence"],
                    params=each["params"],
                    quality=rows,
                    ids=tuple(arrays.values["ids"].tolist()),
                    classes=tuple(arrays.values["classes"].tolist()),
                    accuracy=Accuracy(**each["accuracy"]) if each["accuracy"] else None,
                    samples={pair: samples[name] for pair, name in measured.items() if name in samples},
                    warnings=tuple(each["warnings"]),
                    **{name: each[name] for name in FACTS},
                )
            )
        return embeddings

    def _repr_html_(self) -> str:
        html: str = self.quality.to_html(index=False, float_format="{:.4f}".format, na_rep="")
        return html


def _key(model: str, run: str, layer: str, seed: int) -> str:
    return f"{model}/{run}/{layer}/{seed}"


def quality_of(embeddings: Sequence[Embedding]) -> pd.DataFrame:
    """Return the quality of several embeddings as one table; the feature space is the same for all seeds."""
    rows = pd.concat([embedding.quality for embedding in embeddings], ignore_index=True)
    return rows.drop_duplicates(["model", "run", "layer", "space", "metric", "seed"], ignore_index=True)


def seed_spread(quality: pd.DataFrame) -> pd.DataFrame:
    """Return how far each metric in the plane moves with the seed of the embedding.

    It describes the embedding, is no sample of anything, and decides nothing between networks.
    """
    plane = quality[quality["space"] == "plane"]
    groups = plane.groupby(["model", "run", "layer", "metric"], sort=False)
    spread = groups.agg(seeds=("seed", "nunique"), lowest=("value", "min"), highest=("value", "max")).reset_index()
    return spread[spread["seeds"] > 1].reset_index(drop=True)
