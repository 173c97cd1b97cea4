"""A number or a vector per image and layer, kept from the pass: all that many an analysis needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import LayerError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, Stream

Measure = Callable[[Tensor], Tensor]
"""Activation ``(B, ...)`` of a layer -> a number or a vector per image, ``(B,)`` or ``(B, D)``"""
FILE = "values.npz"


class PerImageWatcher:
    """Hangs an observer on a pass that keeps what a function makes of every layer, image by image.

    Args:
        name: Unique among the watchers of a pass.
        layers: Names of the layers; None takes the stages.
        measure: What is kept; runs inside the forward.
        decided_by: Options that `measure` depends on, JSON-ready: a cached pass with other ones is not used.
    """

    def __init__(
        self, name: str, layers: Sequence[str] | None, measure: Measure, decided_by: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self._layers = layers
        self._measure = measure
        self._decided_by = dict(decided_by or {})

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has layers."""
        return True

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return layers and options."""
        return {"layers": resolve_layers(variant.model, self._layers), **self._decided_by}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> PerImageObserver:
        """Return what keeps the values of a network."""
        return PerImageObserver(resolve_layers(variant.model, self._layers), self._measure)


class PerImageValues:
    """Values per image by name, gathered over batches and processes.

    Args:
        names: Of the values.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._parts: dict[int, tuple[Tensor, dict[str, Tensor]]] = {}
        """Number of a batch's first image -> numbers of its images, and the values by name"""

    def keep(self, batch: Batch, values: Mapping[str, Tensor]) -> None:
        """Keep the values of one batch, ``(B,)`` or ``(B, D)``, on the CPU."""
        self._parts[int(batch.indices[0])] = (batch.indices, {name: values[name] for name in self._names})

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring the values of all processes to the first one."""
        self._parts = dict(processes.gather_in_order(sorted(self._parts.items())))

    def values(self) -> dict[str, NDArray[np.float32]]:
        """Return the values by name in the order of the images, ``(N,)`` or ``(N, D)``."""
        if not self._parts:
            return {name: np.empty(0, dtype=np.float32) for name in self._names}
        order = torch.cat([numbers for numbers, _ in self._parts.values()]).argsort()
        return {
            name: torch.cat([values[name] for _, values in self._parts.values()])[order].numpy() for name in self._names
        }

    def save(self, folder: Path) -> None:
        """Write the values into a folder."""
        arrays: dict[str, Any] = dict(self.values())
        np.savez(folder / FILE, **arrays)

    def restore(self, folder: Path) -> None:
        """Take the values that `save` wrote."""
        with np.load(folder / FILE) as arrays:
            values = {name: torch.from_numpy(arrays[name]) for name in self._names}
        self._parts = {0: (torch.arange(len(next(iter(values.values())))), values)}


class PerImageObserver(PerImageValues):
    """Keeps a value per image and layer.

    Args:
        layers: Names of the layers.
        measure: What is kept of an activation.
    """

    def __init__(self, layers: Sequence[str], measure: Measure) -> None:
        super().__init__(layers)
        self.layers = tuple(layers)
        self._measure = measure

    def reduce(self, layer: str, activation: Tensor) -> Tensor:
        """Return what is kept of an activation, on the CPU.

        Raises:
            LayerError: If the activation cannot be measured, with the name of the layer before the sentence.
        """
        try:
            return self._measure(activation).float().cpu()
        except LayerError as error:
            raise LayerError(f"layer {layer!r} {error}") from error

    def update(self, batch: Batch, kept: Mapping[str, Tensor], output: Output) -> None:
        """Keep the values of one batch."""
        self.keep(batch, kept)
