"""What a run needs to know of the processes that share it; here, that it is alone.

`inference.processes.joined` puts another object in this one's place where a launcher has started several. This module
imports no torch, so that the command line stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from autola_analysis.core.errors import AutolaError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class ProcessError(AutolaError):
    """Another process of the run has failed, died, or is not heard of any more."""


class Processes:
    """The processes that share a run: this one alone.

    Whatever all processes do together, each must do in the same order.

    Attributes:
        rank: Number of this process, from 0.
        count: Number of processes.
    """

    rank = 0
    count = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, writes reports and caches, and shows progress."""
        return self.rank == 0

    def exchange(self, value: T) -> list[T]:
        """Return the small values that all processes give, in order of rank."""
        return [value]

    def told(self, value: T) -> T:
        """Return the value that the first process gives."""
        return self.exchange(value)[0]

    def every(self, value: bool) -> bool:
        """Return whether the value is true in every process."""
        return all(self.exchange(value))

    def same(self, tensor: torch.Tensor | None) -> torch.Tensor | None:
        """Return the tensor of the first process."""
        return tensor

    def add_up(self, tensors: Sequence[torch.Tensor], device: torch.device) -> None:
        """Replace each tensor by its sum over the processes, in place.

        Args:
            tensors: Of the same shapes in all processes.
            device: Where the run computes.
        """

    def in_order(self, items: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T]]:
        """Bring items to the first process, one by one and sorted by number; the others give theirs and get none.

        Args:
            items: Numbered, ascending.
        """
        yield from items

    def counter(self) -> Callable[[int], int]:
        """Return a function that adds to a count of all processes and returns it."""
        total = 0

        def add(number: int) -> int:
            nonlocal total
            total += number
            return total

        return add

    def check_device(self, device: torch.device) -> None:
        """Refuse a device that the processes cannot share.

        Raises:
            OptionError: If it is one GPU for all of them.
        """

    def fails(self, message: str) -> bool:
        """Let the others know that this process ends with an error; returns whether it is the one to say so."""
        return True

    def leave_to_first(self) -> None:
        """End every process but the first, with status 0; nothing that all do together may follow.

        Raises:
            SystemExit: In the others.
        """
        if not self.first:
            raise SystemExit(0)


_CURRENT: ContextVar[Processes | None] = ContextVar("processes", default=None)
enter, leave = _CURRENT.set, _CURRENT.reset


def current() -> Processes:
    """Return the processes that share the run that is under way."""
    return _CURRENT.get() or Processes()
