"""Pooled activations of a layer, image by image: what analyses of features hang on the pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
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
VALUES, LABELS, NUMBERS = "values.npy", "labels.npy", "numbers.npy"


class FeatureObserver:
    """Keep the pooled activations of a layer, in memory or row by row in a file.

    Args:
        layer: Name of the layer.
        pool: "mean" over space, or "flatten".
        folder: Where the rows are written during the pass; None keeps them in memory.
        title: What the features are called in messages ("layer3 of SE").
        average: Makes the features ``(n, K)`` of n items of an activation; without it, of the images, by `pool`.
    """

    def __init__(
        self,
        layer: str,
        pool: Pool = "mean",
        folder: Path | None = None,
        title: str = "features",
        average: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.layers = (layer,)
        self._average = average or partial(pooled, pool=pool)
        self._title = title
        self._sink: Sink = MemorySink() if folder is None else FileSink(folder / VALUES)
        self._known: list[tuple[Tensor, Tensor]] = []
        """Per batch, labels and numbers of its items"""
        self._not_finite = 0
        self._found: tuple[FloatArray, IntArray] | None = None

    def reduce(self, layer: str, activation: Tensor) -> Tensor:
        """Return features of the items of the batch, float32 ``(n, D)``.

        Raises:
            LayerError: If the activation has a shape that cannot be pooled.
        """
        try:
            return self._average(activation)
        except LayerError as error:
            raise LayerError(f"layer {layer!r} {error}") from error

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the rows of one batch."""
        values: NDArray[np.float32] = kept[self.layers[0]].cpu().numpy()
        self._not_finite += int(np.count_nonzero(~np.isfinite(values)))
        self._sink.append(values)
        self._known.append((batch.targets, batch.indices))

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring the rows of all processes to the first one in the order of the images; the others keep none."""
        self._not_finite = sum(processes.all_gather_object(self._not_finite))
        starts = [int(numbers[0]) for _, numbers in self._known]
        order = np.argsort(starts)
        mine = [(values, *known) for values, known in zip(self._sink.drain(), self._known, strict=True)]
        self._known = []
        for _, (values, labels, numbers) in processes.gather_in_order((starts[each], mine[each]) for each in order):
            self._sink.append(values)
            self._known.append((labels, numbers))

    def found(self) -> tuple[FloatArray, IntArray]:
        """Return values ``(N, D)`` and labels ``(N,)`` of all items seen, in the order of their numbers.

        Raises:
            DataError: If values are not finite.
        """
        if self._found is None:
            values = self._sink.finish()
            labels, numbers = self._joined()
            if self._not_finite:
                raise DataError(
                    f"{self._not_finite:,} of {values.size:,} values in {self._title} are not finite; "
                    "look at the checkpoint and the preprocessing, or run with --precision float32."
                )
            self._found = _in_order(values, labels, numbers)
        return self._found

    def _joined(self) -> tuple[IntArray, IntArray]:
        """Return labels and numbers of the items in the order in which they were seen."""
        nothing = torch.empty(0, dtype=torch.int64)
        labels, numbers = zip(*self._known, strict=True) if self._known else ((nothing,), (nothing,))
        return torch.cat(labels).numpy(), torch.cat(numbers).numpy()

    def save(self, folder: Path) -> None:
        """Complete the folder that the rows were written to."""
        self.found()
        for name, array in zip((LABELS, NUMBERS), self._joined(), strict=True):
            np.save(folder / name, array)

    def restore(self, folder: Path) -> None:
        """Open what `save` completed; the values stay in their file and are mapped into memory."""
        labels, numbers = np.load(folder / LABELS), np.load(folder / NUMBERS)
        self._found = _in_order(np.load(folder / VALUES, mmap_mode="r"), labels, numbers)


def _in_order(values: FloatArray, labels: IntArray, numbers: IntArray) -> tuple[FloatArray, IntArray]:
    """Return rows in the order of their numbers: objects of images of several sizes are seen size by size."""
    if (np.diff(numbers) > 0).all():
        return values, labels
    order = np.argsort(numbers)
    return values[order], labels[order]
