"""Lets the one pass run for the accuracy of networks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import Processes
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, Stream


class NothingObserver:
    """Watches no layer and keeps nothing: accuracy is measured in every pass."""

    layers: Sequence[str] = ()

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing; no layer is watched."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep nothing."""

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring nothing together."""

    def save(self, folder: Path) -> None:
        """Write nothing."""

    def restore(self, folder: Path) -> None:
        """Take nothing."""


class AccuracyWatcher:
    """Hangs on a pass what keeps nothing but the accuracy."""

    name = "search"

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has an accuracy."""
        return True

    def inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Return nothing: no option decides the accuracy."""
        return {}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> NothingObserver:
        """Return what keeps nothing."""
        return NothingObserver()
