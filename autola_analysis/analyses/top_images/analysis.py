"""The most activating images of every unit, as an analysis of a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.observation import Observation
from autola_analysis.analyses.top_images.observer import TopImageObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.stream import Stream


@dataclass(frozen=True)
class TopImages:
    """The images that drive the units of a network most.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        images: Per layer the numbers of the images, ``(K, k)``, most activating first.
        values: Per layer the activities, spatial means, ``(K, k)``, float32.
    """

    model: str
    run: str
    images: Mapping[str, NDArray[np.int64]]
    values: Mapping[str, NDArray[np.float32]]


class TopImageAnalysis:
    """Find the images with the largest spatial mean of every unit.

    Args:
        layers: Names of layers; None takes the stages.
        count: Images per unit.
    """

    name = "top images"

    def __init__(self, layers: Sequence[str] | None = None, count: int = 6) -> None:
        self._layers = layers
        self._count = count

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has units."""
        return True

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return layers and count."""
        return {"layers": resolve_layers(variant.model, self._layers), "count": self._count}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> TopImageObserver:
        """Return what keeps the best images of a network."""
        return TopImageObserver(resolve_layers(variant.model, self._layers), self._count)


def top_images_result(observation: Observation[TopImageObserver]) -> TopImages:
    """Make a result of what a pass kept."""
    best = observation.observer.best
    return TopImages(
        model=observation.variant.name,
        run=observation.variant.run,
        images={layer: np.ascontiguousarray(images.numpy().T) for layer, (_, images) in best.items()},
        values={layer: np.ascontiguousarray(values.numpy().T) for layer, (values, _) in best.items()},
    )
