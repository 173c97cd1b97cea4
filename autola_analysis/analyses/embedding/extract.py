"""Extract features: of one network, or of several and several layers from one reading of the data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.embedding.observer import FeatureObserver, check_pool
from autola_analysis.analyses.observation import Observation, Reading, observe_all, passes_of
from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource, hash_of
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.run import PassRecord, Settings
from autola_analysis.inference.stream import ImageData, Stream


def extract_features(
    model: LoadedModel | nn.Module | Variant,
    data: ImageData,
    layer: str | None = None,
    pool: str = "mean",
    settings: Settings | None = None,
    batch_size: int | None = None,
    workers: int = 0,
    cache: str | Path | None = None,
) -> Features:
    """Collect what a layer puts out for every image, in one pass over the data.

    With a cache, the values are written to a file there and mapped into memory, so that any number of images fits;
    the next call with the same weights, images, layer, preprocessing and arithmetic opens the file instead of running
    the network. Two networks with the same weights that print alike are taken for one.

    Args:
        model: A loaded checkpoint or any network; it is as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``. Only an
            image source can be recognised by a cache.
        layer: Name of the layer; None takes the last stage.
        pool: "mean" over space, or "flatten".
        settings: Device, precision, progress bar.
        batch_size: Images per batch; None chooses by the size of the images.
        workers: Processes that decode images.
        cache: Directory to keep features in; None keeps them in memory.

    Raises:
        LayerError: If the layer cannot be pooled, or is not a single tensor.
        UnknownNameError: If the network has no such layer.
        DataError: If there is no image, or features are not finite.
        CacheError: If the cache cannot be written.
    """
    layers = None if layer is None else [layer]
    reading = Reading(settings, batch_size, workers, Path(cache) if cache is not None else None)
    (features,), _ = extract_all([as_variant(model)], data, layers, pool, reading)
    return features


def extract_all(
    variants: Sequence[Variant],
    data: ImageData,
    layers: Sequence[str] | None = None,
    pool: str = "mean",
    reading: Reading | None = None,
) -> tuple[list[Features], list[PassRecord]]:
    """Extract features of several networks; those that share the geometry of their images share one reading.

    Returns:
        Features per variant and layer, the layers of a variant side by side; and a record per pass that was needed.
    """
    for variant in variants:
        resolve_layers(variant.model, layers)  # refused here, before the pass
    reading = reading or Reading()
    chosen: Sequence[str | None] = [None] if layers is None else layers
    analyses = [FeatureAnalysis(layer, pool) for layer in chosen]
    observations = observe_all(variants, data, analyses, reading)
    found = [
        feature_result(observation, data, pool, reading.cache is not None)
        for of_variant in zip(*observations, strict=True)
        for observation in of_variant
        if observation is not None
    ]
    return found, passes_of([each for of_layer in observations for each in of_layer])


class FeatureAnalysis:
    """The features of one layer as an analysis of a pass.

    Args:
        layer: Name of the layer; None takes the last stage.
        pool: "mean" over space, or "flatten".
        images: Numbers of the images whose features are kept; None keeps all.

    Raises:
        OptionError: If there is no such way of pooling.
    """

    def __init__(self, layer: str | None = None, pool: str = "mean", images: Sequence[int] | None = None) -> None:
        check_pool(pool)
        self.name = f"features {layer or 'of the last stage'}".replace("/", "_")
        self._layer = layer
        self._pool = pool
        self._images = None if images is None else sorted(images)

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has features."""
        return True

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return layer, pooling and images."""
        images = None if self._images is None else hash_of(json.dumps([int(index) for index in self._images]))
        return {"layers": [self._layer_of(variant)], "pool": self._pool, "images": images}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> FeatureObserver:
        """Return what keeps the features of a network."""
        layer = self._layer_of(variant)
        return FeatureObserver(layer, self._pool, folder, self._images, f"{layer} of {variant.title}")

    def _layer_of(self, variant: Variant) -> str:
        return resolve_layers(variant.model, None if self._layer is None else [self._layer])[-1]


def feature_result(
    observation: Observation[FeatureObserver],
    data: ImageData,
    pool: str,
    cached: bool = False,
    images: Sequence[int] | None = None,
) -> Features:
    """Make features of what a pass kept.

    Args:
        observation: After the pass.
        data: What it read, for the names of the images.
        pool: How the features were pooled.
        cached: Whether a cache was asked for.
        images: Numbers of the images whose features were kept; None for all.
    """
    variant, (values, labels) = observation.variant, observation.observer.found()
    warnings = observation.warnings()
    ids: tuple[str, ...] = ()
    if isinstance(data, ImageSource) and len(values):  # of several processes, only the first has them
        ids = tuple(str(data.ids[index]) for index in (range(len(data)) if images is None else sorted(images)))
    elif cached:
        warnings.append(f"{variant.title}: nothing is cached, since only an image source can be recognised again.")
    return Features(
        values=values,
        labels=labels,
        ids=ids,
        classes=observation.classes or tuple(map(str, range(int(labels.max()) + 1))),
        model=variant.name,
        run=variant.run,
        layer=observation.observer.layers[0],
        pool=pool,
        backbone=variant.spec.backbone if variant.spec else None,
        attention=variant.spec.attention if variant.spec else None,
        accuracy=observation.accuracy,
        settings={"pool": pool, **observation.arithmetic},
        warnings=tuple(warnings),
    )
