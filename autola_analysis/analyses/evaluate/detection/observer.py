"""The part that hangs on the pass: what a detector finds in every image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.evaluate.detection.found import Found
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import Processes
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, Stream
from autola_analysis.inference.tasks.detection import detections_of

FILE = "found.npz"


class DetectionWatcher:
    """Hangs the detections on a pass; networks that are no detectors are passed over."""

    name = "evaluate-detection"

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the network is a detector."""
        return variant.finds_objects

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return nothing: network and images decide the detections."""
        return {}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> DetectionObserver:
        """Return what keeps the detections of a network."""
        return DetectionObserver()


class DetectionObserver:
    """Keep the detections of every image, boxes in shares of its sides."""

    layers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, NDArray[Any]]] = {}
        """Number of a batch's first image -> columns of its detections, and which image each is of"""

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing: there are no layers."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the detections of one batch."""
        numbers = batch.indices.tolist()
        found = detections_of(output, batch.images.shape[-2:])
        self._parts[numbers[0]] = Found.of(found, numbers).arrays()

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring the detections of all processes to the first one; the others have none afterwards."""
        parts = [
            (number, {name: torch.from_numpy(array) for name, array in part.items()})
            for number, part in sorted(self._parts.items())
        ]
        gathered = processes.gather_in_order(parts)
        self._parts = {number: {name: array.numpy() for name, array in part.items()} for number, part in gathered}

    def save(self, folder: Path) -> None:
        """Write the detections into a folder."""
        arrays: dict[str, Any] = self.found().arrays()
        np.savez(folder / FILE, **arrays)

    def restore(self, folder: Path) -> None:
        """Take the detections that `save` wrote."""
        with np.load(folder / FILE) as file:
            self._parts = {0: dict(file)}

    def found(self) -> Found:
        """Return the detections in the order of the images; none in all but the first of several processes."""
        return Found.joined([Found(**part) for part in self._parts.values()])
