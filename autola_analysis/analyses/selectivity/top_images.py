"""The most activating images of every unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.observation import Observation
from autola_analysis.analyses.selectivity.top_images_observer import TopImageObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.stream import Stream


@dataclass(frozen=True)
class TopImages:
    """The images that drive the units of a network most.

    Attributes:
        images: Per layer the numbers of the images, ``(K, k)``, most activating first.
        values: Per layer the activities, spatial means, ``(K, k)``, float32.
        ids: Names of the images that are mentioned, by number.
    """

    images: Mapping[str, NDArray[np.int64]]
    values: Mapping[str, NDArray[np.float32]]
    ids: Mapping[int, str]


class TopImageWatcher:
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


def top_images_result(observation: Observation[TopImageObserver], ids: Sequence[str] | None) -> TopImages:
    """Make a result of what a pass kept.

    Args:
        observation: After the pass.
        ids: Names of all images of the data; None where they are called by their numbers.
    """
    best = observation.observer.best
    images = {layer: np.ascontiguousarray(numbers.numpy().T) for layer, (_, numbers) in best.items()}
    mentioned = sorted({int(number) for each in images.values() for number in np.unique(each)})
    return TopImages(
        images=images,
        values={layer: np.ascontiguousarray(values.numpy().T) for layer, (values, _) in best.items()},
        ids={number: str(number) if ids is None else str(ids[number]) for number in mentioned},
    )
