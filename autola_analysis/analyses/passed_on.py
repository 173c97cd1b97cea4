"""An observer around another: what it does not see to itself, the other does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic

import torch

from autola_analysis.analyses.observation import ObserverT
from autola_analysis.core.distributed import Processes
from autola_analysis.inference.observer import Deferring


class PassedOn(Generic[ObserverT]):
    """Passes everything on to an observer; its results are those of the observer.

    Args:
        observer: The observer.
    """

    def __init__(self, observer: ObserverT) -> None:
        self._observer = observer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observer, name)

    def settle(self) -> None:
        """Let the observer check the last batch, where it waits with that."""
        if isinstance(self._observer, Deferring):
            self._observer.settle()

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring together what all processes have."""
        self._observer.gather(processes, device)

    def save(self, folder: Path) -> None:
        """Write what the observer has."""
        self._observer.save(folder)

    def restore(self, folder: Path) -> None:
        """Take what `save` wrote."""
        self._observer.restore(folder)
