"""What hangs feature extraction on a pass, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autola_analysis.analyses.by_object import ByObject, ObjectMeans
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Observation
from autola_analysis.analyses.options import Pool
from autola_analysis.analyses.pooled import FeatureObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.stream import Stream


class FeatureWatcher:
    """Hangs the features of one layer on a pass.

    Args:
        layer: Name of the layer; None takes the last stage.
        pool: "mean" over space, or "flatten".
        items: Objects whose features are the means over their boxes, or joints; None takes those of the images.
    """

    def __init__(self, layer: str | None = None, pool: Pool = "mean", items: ObjectItems | None = None) -> None:
        self.name = f"features {layer or 'of the last stage'}".replace("/", "_")
        self._layer = layer
        self._pool = pool
        self._items = items

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has features."""
        return True

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return layer, pooling and objects."""
        of_objects = {} if self._items is None else {self._items.what: self._items.hash}
        return {"layers": [self._layer_of(variant)], "pool": self._pool, **of_objects}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> FeatureObserver | ByObject[FeatureObserver]:
        """Return what keeps the features of a network."""
        layer = self._layer_of(variant)
        title = f"{layer} of {variant.title}"
        if self._items is None:
            return FeatureObserver(layer, self._pool, folder, title)
        means = ObjectMeans(self._items, variant.model)
        return ByObject(FeatureObserver(layer, self._pool, folder, title, means), means, [layer])

    def _layer_of(self, variant: Variant) -> str:
        return resolve_layers(variant.model, None if self._layer is None else [self._layer])[-1]


def feature_result(
    observation: Observation[FeatureObserver],
    ids: Sequence[str] | None,
    pool: str,
    images: Sequence[str] = (),
) -> Features:
    """Make features of what a pass kept.

    Args:
        observation: After the pass.
        ids: Names of the images whose features were kept; None where they are called by their numbers.
        pool: How the features were pooled.
        images: Names of the images of objects or joints; none where the features are of images.
    """
    variant, (values, labels) = observation.variant, observation.observer.found()
    return Features(
        values=values,
        labels=labels,
        ids=tuple(map(str, ids or ())) if len(values) else (),  # of several processes, only the first has values
        classes=observation.classes,
        model=variant.name,
        run=variant.run,
        layer=observation.observer.layers[0],
        pool=pool,
        backbone=variant.spec.backbone if variant.spec else None,
        attention=variant.spec.attention if variant.spec else None,
        accuracy=observation.accuracy,
        settings={"pool": pool, **observation.arithmetic},
        warnings=tuple(observation.warnings()),
        images=tuple(images) if len(values) else (),
    )
