"""What hangs feature extraction on a pass, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autola_analysis.analyses.embedding.features import Features
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
    """

    def __init__(self, layer: str | None = None, pool: Pool = "mean") -> None:
        self.name = f"features {layer or 'of the last stage'}".replace("/", "_")
        self._layer = layer
        self._pool = pool

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has features."""
        return True

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return layer and pooling."""
        return {"layers": [self._layer_of(variant)], "pool": self._pool}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> FeatureObserver:
        """Return what keeps the features of a network."""
        layer = self._layer_of(variant)
        return FeatureObserver(layer, self._pool, folder, f"{layer} of {variant.title}")

    def _layer_of(self, variant: Variant) -> str:
        return resolve_layers(variant.model, None if self._layer is None else [self._layer])[-1]


def feature_result(observation: Observation[FeatureObserver], ids: Sequence[str] | None, pool: Pool) -> Features:
    """Make features of what a pass kept.

    Args:
        observation: After the pass.
        ids: Names of the images whose features were kept; None where they are called by their numbers.
        pool: How the features were pooled.
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
    )
