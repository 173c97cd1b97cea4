"""Keep what networks find in the images of a pass, as columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.core.distributed import Processes
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch

FILE = "found.npz"


class ColumnsObserver(ABC):
    """Keep columns of every batch; a subclass says which."""

    layers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, NDArray[Any]]] = {}
        """Number of a batch's first image -> columns of what was found"""

    @abstractmethod
    def columns(self, batch: Batch, output: Output) -> dict[str, NDArray[Any]]:
        """Return what is kept of a batch."""

    def reduce(self, layer: str, activation: Tensor) -> None:  # noqa: B027  there is nothing to do
        """Keep nothing: there are no layers."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the columns of one batch."""
        self._parts[int(batch.indices[0])] = self.columns(batch, output)

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring the columns of all processes to the first one; the others have none afterwards."""
        parts = [
            (number, {name: torch.from_numpy(array) for name, array in part.items()})
            for number, part in sorted(self._parts.items())
        ]
        gathered = processes.gather_in_order(parts)
        self._parts = {number: {name: array.numpy() for name, array in part.items()} for number, part in gathered}

    def save(self, folder: Path) -> None:
        """Write the columns into a folder."""
        arrays: dict[str, Any] = self.together()
        np.savez(folder / FILE, **arrays)

    def restore(self, folder: Path) -> None:
        """Take the columns that `save` wrote."""
        with np.load(folder / FILE) as file:
            self._parts = {0: dict(file)}

    def together(self) -> dict[str, NDArray[Any]]:
        """Return the columns of all batches, in the order of their first images."""
        parts = [part for _, part in sorted(self._parts.items())]
        names = list(parts[0]) if parts else []
        return {name: np.concatenate([part[name] for part in parts]) for name in names}
