"""What a pass shows its batches to: observers, and those that see some of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from autola_analysis.core.distributed import Processes
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch


class Observer(Protocol):
    """Something that hangs on the pass: reduces activations inside the forward, then takes in the batch."""

    @property
    def layers(self) -> Sequence[str]:
        """Layers whose activations the observer wants, see `tap`."""

    def reduce(self, layer: str, activation: Tensor) -> Any:
        """Return what is to be kept of an activation; runs while the forward is under way."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Take in one batch: what `reduce` returned per layer, and what the network put out."""

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Take in what the observers of the other processes hold; called once, where processes share the run."""


@runtime_checkable
class Selective(Protocol):
    """An observer of some images of a batch, which must know before a forward which images run in it."""

    def begin(self, batch: Batch) -> None:
        """Note which images run next."""


@runtime_checkable
class Deferring(Protocol):
    """An observer that checks a batch when the device has been given the next one, so that the device never waits."""

    def settle(self) -> None:
        """Check and take in what `update` left on its way from the device; called once more after the last batch."""
