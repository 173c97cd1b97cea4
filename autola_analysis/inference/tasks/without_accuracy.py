"""What tasks share whose outputs are read in one way and have no accuracy: detections, joints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tasks.accuracy import AccuracyObserver


class WithoutAccuracy:
    """The part of a task that is the same for outputs of every form, see `Task`."""

    def settled(self, model: nn.Module, images: Tensor, output: Output) -> Self:
        """Return the task: outputs are read in one way."""
        return self

    def scores(self, output: Output) -> Output:
        """Return an output as it is."""
        return output

    def about(self, output: Output) -> str:
        """Return nothing: outputs are read as usual."""
        return ""

    def accuracy(
        self,
        num_classes: int,
        data_classes: tuple[str, ...] | None = None,
        head_classes: tuple[str, ...] | None = None,
        has_head: bool = True,
    ) -> AccuracyObserver:
        """Return an observer that counts images: what is found has no accuracy, it has an average precision."""
        return ImageCounter(num_classes, has_head=False)


class ImageCounter(AccuracyObserver):
    """Counts the images of a pass."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Count one batch."""
        self._seen.images += len(batch.indices)
