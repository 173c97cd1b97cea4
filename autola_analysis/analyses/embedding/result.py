"""The result of an embedding: positions, divergence, quality, how they came about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.features import NO_LABEL, items_of_features
from autola_analysis.analyses.embedding.tables import (
    QUALITY,
    SEEDS,
    SWEEP,
    merged,
    of_embedding,
    of_features,
    seed_spread,
)
from autola_analysis.core.results import Arrays, Format, NetworkResult, Stored
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.statistics.groups import by_group

FORMAT = Format("embedding", (QUALITY, SWEEP, SEEDS), ("embeddings", "embedding_samples", "embedding_influence"))
FACTS = ("model", "run", "layer", "backbone", "attention")


@dataclass(frozen=True, eq=False, repr=False)
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
        sweep: A row per space and number of neighbours, columns of `SWEEP`; no row without labels.
        samples: What the metrics of `quality` are means of, per space and metric, ``(N,)``: whether the nearest
            neighbours get an image right, its silhouette, ...; NaN for images that were not drawn.
        influence: The value of a metric plus the influence of each image on it, per space and metric, ``(N,)``:
            what intervals of accuracies of neighbours and of silhouettes are made of. Those of the sweep are called
            ``knn_accuracy_<k>``.
        warnings: Sentences that belong beside the picture.
        images: Name of the image of every object; empty where images are embedded.
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
    sweep: pd.DataFrame = field(default_factory=SWEEP.frame)
    samples: Mapping[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict)
    influence: Mapping[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=())
    images: tuple[str, ...] = ()

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

    @property
    def decisive(self) -> Mapping[tuple[str, str], NDArray[np.float64]]:
        """What intervals and differences of variants are made of: influence values, where there are any."""
        return {**self.samples, **self.influence}

    @property
    def items(self) -> str:
        """What is embedded: images, objects or joints."""
        return items_of_features(self.images, self.params["pool"])

    @property
    def names_of_images(self) -> tuple[str, ...]:
        """Name of the image of every point."""
        return self.images or self.ids

    def decisive_by_image(self, space: str, metric: str) -> tuple[Sequence[str], NDArray[np.float64]]:
        """Return the names of the images and what `decisive` says of each: of its objects together, where it has some.

        Raises:
            KeyError: If there is no such metric.
        """
        values = self.decisive[space, metric]
        if not self.images:
            return self.ids, values
        groups = np.array(self.images)
        return np.unique(groups).tolist(), by_group(values, groups)

    def without_plane(self) -> Embedding:
        """Return only what it says of the features: its positions are not to be drawn or rated."""
        return replace(
            self,
            quality=of_features(self.quality),
            sweep=of_features(self.sweep),
            samples={key: values for key, values in self.samples.items() if key[0] == "features"},
            influence={key: values for key, values in self.influence.items() if key[0] == "features"},
            params={**self.params, "drawn": False},
        )

    @classmethod
    def together(cls, embeddings: Sequence[Self]) -> Stored:
        """Return embeddings of the same images as tables and arrays.

        What the metrics are means of is kept too, so that variants can be compared anew.
        """
        quality, sweep = quality_of(embeddings), sweep_of(embeddings)
        optional = {SWEEP.name: sweep, SEEDS.name: seed_spread(quality)}
        first = embeddings[0]
        positions = {
            "labels": first.labels,
            "ids": np.array(first.ids, str),
            "classes": np.array(first.classes, str),
            **({"images": np.array(first.images, str)} if first.images else {}),
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
        return Stored(
            {QUALITY.name: quality, **{name: table for name, table in optional.items() if len(table)}},
            {
                "embeddings": Arrays(positions, about),
                "embedding_samples": Arrays(_by_name({each.key: each.samples for each in embeddings})),
                "embedding_influence": Arrays(_by_name({each.key: each.influence for each in embeddings})),
            },
        )

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the embeddings that `together` gave these tables and arrays."""
        arrays = stored.arrays["embeddings"]
        samples, influence = (stored.arrays[f"embedding_{name}"].values for name in ("samples", "influence"))
        sweep = stored.tables.get(SWEEP.name, SWEEP.frame())
        embeddings = []
        for each in arrays.about:
            names = {name: each[name] for name in ("model", "run", "layer")} | {"seed": each["params"]["seed"]}
            key = _key(**names)
            embeddings.append(
                cls(
                    coords=arrays.values[key],
                    labels=arrays.values["labels"],
                    kl_divergence=math.nan if each["kl_divergence"] is None else each["kl_divergence"],
                    params=each["params"],
                    quality=of_embedding(stored.tables[QUALITY.name], **names),
                    sweep=of_embedding(sweep, **names),
                    ids=tuple(arrays.values["ids"].tolist()),
                    classes=tuple(arrays.values["classes"].tolist()),
                    images=tuple(arrays.values["images"].tolist()) if "images" in arrays.values else (),
                    accuracy=Accuracy(**each["accuracy"]) if each["accuracy"] else None,
                    samples=_of_key(samples, key),
                    influence=_of_key(influence, key),
                    warnings=tuple(each["warnings"]),
                    **{name: each[name] for name in FACTS},
                )
            )
        return embeddings

    def _repr_html_(self) -> str:
        html: str = self.quality.to_html(index=False, float_format="{:.4f}".format, na_rep="")
        return html


def _by_name(
    values: Mapping[str, Mapping[tuple[str, str], NDArray[np.float64]]],
) -> dict[str, NDArray[np.float64]]:
    """Return arrays by the key of their embedding, space and metric, as ``key/space/metric``."""
    return {f"{key}/{space}/{name}": each for key, by in values.items() for (space, name), each in by.items()}


def _of_key(values: Mapping[str, NDArray[Any]], key: str) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return the arrays of an embedding by space and metric."""
    named = {name: name.rsplit("/", 2) for name in values}
    return {(space, metric): values[name] for name, (owner, space, metric) in named.items() if owner == key}


def _key(model: str, run: str, layer: str, seed: int) -> str:
    return f"{model}/{run}/{layer}/{seed}"


def quality_of(embeddings: Sequence[Embedding]) -> pd.DataFrame:
    """Return the quality of several embeddings as one table."""
    return merged([each.quality for each in embeddings])


def sweep_of(embeddings: Sequence[Embedding]) -> pd.DataFrame:
    """Return the accuracies of several numbers of neighbours as one table, those of several embeddings."""
    return merged([each.sweep for each in embeddings])
