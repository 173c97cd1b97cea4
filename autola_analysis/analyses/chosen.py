"""Some of the images of a pass, for an analysis that needs fewer than the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.observation import StoredObserver, Watcher
from autola_analysis.analyses.passed_on import PassedOn
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import hash_of
from autola_analysis.inference.observer import Selective
from autola_analysis.inference.outputs import Output, rows_of_output
from autola_analysis.inference.stream import Batch, Stream


class ChosenImages:
    """A watcher whose observers see some images of the pass, as if these were all there are.

    Args:
        watcher: The watcher.
        numbers: Of the images in the pass, ascending, ``(n,)``; the observers see them numbered from 0.
    """

    def __init__(self, watcher: Watcher[Any], numbers: NDArray[np.int64]) -> None:
        self.name = watcher.name
        self._watcher = watcher
        self._numbers = numbers

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the watcher applies to a network."""
        return self._watcher.applies_to(variant)

    def inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Return the inputs of the watcher, and which images it sees."""
        return {**self._watcher.inputs(variant), "images": hash_of(self._numbers.astype("<i8").tobytes())}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> StoredObserver:
        """Return what watches a network."""
        part = _Part(stream, self._numbers)
        return _Chosen(self._watcher.watch(variant, preprocessing, part, folder), self._numbers)


class _Part:
    """What an observer is told of a stream of which it sees a part; nobody reads it."""

    def __init__(self, stream: Stream, numbers: NDArray[np.int64]) -> None:
        self.labels = None if stream.labels is None else stream.labels[numbers]
        self.classes = stream.classes
        self.fingerprint = stream.fingerprint
        self.raw = stream.raw
        self.batch_size = stream.batch_size
        self.images: int | None = len(numbers)

    def batches(self, first: int = 0, step: int = 1) -> Any:
        """Refuse to be read."""
        raise NotImplementedError

    def check_unchanged(self) -> None:
        """Leave that to the stream of the pass."""


class _Chosen(PassedOn[StoredObserver]):
    """Hands an observer the chosen images of every batch, numbered from 0; results are those of the observer."""

    def __init__(self, observer: StoredObserver, numbers: NDArray[np.int64]) -> None:
        super().__init__(observer)
        self._numbers = torch.from_numpy(np.ascontiguousarray(numbers))
        self._rows = torch.empty(0, dtype=torch.int64)

    def begin(self, batch: Batch) -> None:
        """Note which images of the batch that runs next are chosen."""
        self._rows = torch.isin(batch.indices, self._numbers).nonzero().flatten()
        if len(self._rows) and isinstance(self._observer, Selective):
            self._observer.begin(self._part(batch))

    def reduce(self, layer: str, activation: Tensor) -> Any:
        """Reduce the activation of the chosen images; nothing where the batch has none."""
        if not len(self._rows):
            return None
        return self._observer.reduce(layer, activation[self._rows.to(activation.device)])

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Take in the chosen images of a batch."""
        if len(self._rows):
            self._observer.update(self._part(batch), kept, rows_of_output(output, self._rows))

    def _part(self, batch: Batch) -> Batch:
        return batch.chosen(self._rows, torch.searchsorted(self._numbers, batch.indices[self._rows]))
