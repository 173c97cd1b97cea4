"""The processes that share a run, as every room sees them; by default this process runs alone.

`inference.distributed.joined` enters another `Processes` object where a launcher has started several processes. The
collectives carry the names that `torch.distributed` gives them. This module imports no torch, so that the command line
stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from autola_analysis.core.errors import AutolaError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class ProcessError(AutolaError):
    """Another process of the run has failed, has died, sends no heartbeat any more, or has read something else."""


class Processes:
    """The processes that share a run; this class is a run of one process.

    All processes must call the collectives in the same order.

    Attributes:
        rank: Number of this process, from 0.
        world_size: Number of processes.
    """

    rank = 0
    world_size = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, writes reports and caches, and shows progress."""
        return self.rank == 0

    def all_gather_object(self, value: T) -> list[T]:
        """Return the values of all processes, in order of rank: plain values, arrays and tensors, all small."""
        return [value]

    def broadcast_object(self, value: T) -> T:
        """Return the value of the first process."""
        return self.all_gather_object(value)[0]

    def first_not_empty(self, value: T) -> T:
        """Return the first value that is not empty, in order of rank; an empty one where all are."""
        return next((each for each in self.all_gather_object(value) if each), value)

    def all_true(self, value: bool) -> bool:
        """Return whether the value is true in every process."""
        return all(self.all_gather_object(value))

    def broadcast(self, tensor: torch.Tensor | None) -> torch.Tensor | None:
        """Return the tensor of the first process."""
        return tensor

    def all_reduce(self, tensors: Sequence[torch.Tensor], device: torch.device) -> None:
        """Replace each tensor by its sum over the processes, in place.

        Args:
            tensors: Of the same shapes in all processes.
            device: Where the run computes.
        """

    def gather_in_order(self, items: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T]]:
        """Yield the items of all processes in the first process, sorted by number; yield none in the others.

        Args:
            items: ``(number, item)`` of this process, numbers ascending.
        """
        yield from items

    def counter(self) -> Callable[[int], int]:
        """Return a function that adds to a count of all processes and returns the new count."""
        total = 0

        def add(number: int) -> int:
            nonlocal total
            total += number
            return total

        return add

    def check_same(self, inputs: Callable[[], Mapping[str, object]]) -> None:
        """Refuse to go on where processes have read different things.

        Args:
            inputs: Returns what messages call a thing -> a value that must be equal everywhere, small, as
                `all_gather_object` takes it: a hash, a version, options. One process alone does not call it.

        Raises:
            ProcessError: In all processes, naming what differs.
        """

    def check_device(self, device: torch.device) -> None:
        """Refuse a device that the processes cannot share.

        Raises:
            OptionError: If it is one GPU for all of them.
        """

    def report_failure(self, message: str) -> bool:
        """Report to the other processes that this process ends with an error.

        Returns:
            Whether this process is the first to fail, whose error is printed.
        """
        return True

    def leave_to_first(self) -> None:
        """End every process but the first, with status 0; from here on the first runs alone.

        Raises:
            SystemExit: In the others.
        """
        if not self.first:
            raise SystemExit(0)
        enter(Processes())


_CURRENT: ContextVar[Processes | None] = ContextVar("processes", default=None)
enter, leave = _CURRENT.set, _CURRENT.reset


def current() -> Processes:
    """Return the processes that share the run that is under way."""
    return _CURRENT.get() or Processes()


SHOWN = 32
"""Characters up to which a differing value is shown: versions are, hashes are not."""


def difference(everybody: Sequence[tuple[str, Mapping[str, object]]]) -> str:
    """Return a sentence about the first process that has read something else than process 0; "" where none has.

    Args:
        everybody: Of every process the name of its machine, and what it gave to `Processes.check_same`.
    """
    host, inputs = everybody[0]
    for rank, (other_host, others) in enumerate(everybody):
        if others != inputs:
            names = [name for name in {**inputs, **others} if inputs.get(name) != others.get(name)]
            found = ", ".join(name + _both(others.get(name), inputs.get(name)) for name in names)
            return (
                f"process {rank} of {len(everybody)} on {other_host} does not have the same as process 0 on {host}: "
                f"{found}; give all processes of a run the same files, options and versions."
            )
    return ""


def _both(theirs: object, ours: object) -> str:
    texts = [str(theirs), str(ours)]
    return f" ({texts[0]}, not {texts[1]})" if max(map(len, texts)) <= SHOWN else ""
