"""The part of similarity that hangs on the pass: features of every layer, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from autola_analysis.analyses.per_image import Measure, PerImageObserver, PerImageWatcher
from autola_analysis.analyses.pooling import pooled
from autola_analysis.analyses.similarity.options import SimilarityOptions
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.core.text import counted
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.resources import free_memory
from autola_analysis.inference.stream import Batch, Stream

BYTES_KEPT, BYTES_COMPARED = 4, 16
"""Per value of an image: as it is kept, and as it is centred in a minibatch, with a copy on the way."""


class FeatureWatcher(PerImageWatcher):
    """Hangs the features of some layers on a pass.

    Args:
        options: Layers, pooling, images per minibatch.
        networks: How many networks are watched, whose features are in memory together.
    """

    def __init__(self, options: SimilarityOptions, networks: int) -> None:
        self._pooled: Measure = partial(pooled, pool=options.pool)
        super().__init__("similarity", options.layers, self._pooled, {"pool": options.pool})
        self._options = options
        self._networks = networks

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> PerImageObserver:
        """Return what keeps the features of a network."""
        layers = resolve_layers(variant.model, self._options.layers)
        memory = Memory(stream.images or 0, self._options.minibatch, self._networks)
        return FeatureObserver(layers, self._pooled, memory)


class Memory:
    """What the features of a pass take of the machine's memory.

    Args:
        images: That are seen; 0 where that is not known.
        minibatch: Images that are compared at once.
        networks: Whose features are in memory together.
    """

    def __init__(self, images: int, minibatch: int, networks: int) -> None:
        self._images = images
        self._compared = min(images, minibatch)
        self._networks = networks

    def check(self, values: int) -> None:
        """Refuse what memory does not hold.

        Args:
            values: Features of an image in all layers of a network.

        Raises:
            OptionError: With what to give instead.
        """
        free = free_memory(torch.device("cpu"))
        needed = self._networks * values * (self._images * BYTES_KEPT + self._compared * BYTES_COMPARED)
        if free is not None and needed > free:
            raise OptionError(
                f"features of {self._images:,} images with {values:,} values each take {needed / 2**30:.1f} GiB for "
                f"{counted(self._networks, 'network')}, and {free / 2**30:.1f} GiB are free; "
                "give a smaller --limit or --minibatch, fewer --layers, or --pool mean."
            )


class FeatureObserver(PerImageObserver):
    """Keeps the features of some layers, if memory holds those of all images and networks.

    Args:
        layers: Names of the layers.
        measure: Pools an activation.
        memory: Refuses too many values.
    """

    def __init__(self, layers: Sequence[str], measure: Measure, memory: Memory) -> None:
        super().__init__(layers, measure)
        self._memory: Memory | None = memory

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the features of a batch.

        Raises:
            OptionError: If memory does not hold those of all batches, in the first one.
        """
        if self._memory is not None:
            self._memory.check(sum(kept[layer].shape[1] for layer in self.layers))
            self._memory = None
        super().update(batch, kept, output)
