"""Pooled activations of a layer, image by image: what analyses of features hang on the pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.options import Pool
from autola_analysis.analyses.pooling import pooled
from autola_analysis.analyses.row_files import FileSink, FloatArray, MemorySink, Sink
from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import DataError, LayerError
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch

IntArray = NDArray[np.int64]
VALUES, LABELS = "values.npy", "labels.npy"


class FeatureObserver:
    """Keep the pooled activations of a layer, in memory or row by row in a file.

    Args:
        layer: Name of the layer.
        pool: "mean" over space, or "flatten".
        folder: Where the rows are written during the pass; None keeps them in memory.
        title: What the features are called in messages ("layer3 of SE").
    """

    def __init__(
        self,
        layer: str,
        pool: Pool = "mean",
        folder: Path | None = None,
        title: str = "features",
    ) -> None:
        self.layers = (layer,)
        self._pool = pool
        self._title = title
        self._sink: Sink = MemorySink() if folder is None else FileSink(folder / VALUES)
        self._labels: list[Tensor] = []
        self._starts: list[int] = []
        self._not_finite = 0
        self._found: tuple[FloatArray, IntArray] | None = None

    def reduce(self, layer: str, activation: Tensor) -> Tensor:
        """Return a copy of the activation as float32 ``(B, D)``.

        Raises:
            LayerError: If the activation has a shape that cannot be pooled.
        """
        try:
            return pooled(activation, self._pool)
        except LayerError as error:
            raise LayerError(f"layer {layer!r} {error}") from error

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the rows of one batch."""
        values: NDArray[np.float32] = kept[self.layers[0]].cpu().numpy()
        self._not_finite += int(np.count_nonzero(~np.isfinite(values)))
        self._sink.append(values)
        self._labels.append(batch.targets)
        self._starts.append(int(batch.indices[0]))

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring the rows of all processes to the first one in the order of the images; the others keep none."""
        self._not_finite = sum(processes.all_gather_object(self._not_finite))
        mine = zip(self._starts, zip(self._sink.drain(), self._labels, strict=True), strict=True)
        self._starts, self._labels = [], []
        for _, (values, labels) in processes.gather_in_order(mine):
            self._sink.append(values)
            self._labels.append(labels)

    def found(self) -> tuple[FloatArray, IntArray]:
        """Return values ``(N, D)`` and labels ``(N,)`` of all images seen.

        Raises:
            DataError: If values are not finite.
        """
        if self._found is None:
            values = self._sink.finish()
            labels = (torch.cat(self._labels) if self._labels else torch.empty(0, dtype=torch.int64)).numpy()
            if self._not_finite:
                raise DataError(
                    f"{self._not_finite:,} of {values.size:,} values in {self._title} are not finite; "
                    "look at the checkpoint and the preprocessing, or run with --precision float32."
                )
            self._found = values, labels
        return self._found

    def save(self, folder: Path) -> None:
        """Complete the folder that the rows were written to."""
        _, labels = self.found()
        np.save(folder / LABELS, labels)

    def restore(self, folder: Path) -> None:
        """Open what `save` completed; the values stay in their file and are mapped into memory."""
        self._found = np.load(folder / VALUES, mmap_mode="r"), np.load(folder / LABELS)
