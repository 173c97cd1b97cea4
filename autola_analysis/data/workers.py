"""Loaders whose worker processes are ended by the parent alone.

Terminals and schedulers send signals to a whole process group. Workers that die of one make the parent report their
end as errors, while it is ending them itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, TypeVar

from torch.utils.data import DataLoader

from autola_analysis.core.errors import DataError
from autola_analysis.core.interrupts import ENDING, held_until_repeated, uninterrupted

T = TypeVar("T")
STOPPED_FOR = 5.0
"""Seconds between looks at the workers."""


class SupervisedLoader(DataLoader[T]):
    """A `DataLoader` whose workers get no signals but the parent's, from their first moment.

    Where there are workers, a signal to the parent waits until it has left the queues: an interrupt there can leave a
    lock locked, for which ending the workers would wait for ever. Give it `leave_process_group` as ``worker_init_fn``.
    """

    def __iter__(self) -> Any:
        """Start the workers."""
        if not self.num_workers:
            return super().__iter__()
        with uninterrupted(), _held_back_from_children():
            return _patiently(super().__iter__())


def _patiently(items: Any) -> Iterator[Any]:
    """Yield what workers decode; continue those that are stopped, and say in a sentence that one has been killed."""
    done = Event()
    Thread(target=_continue_stopped, args=([worker.pid for worker in items._workers], done), daemon=True).start()
    try:
        while True:
            with held_until_repeated():
                try:
                    item = next(items)
                except StopIteration:
                    return
                except (RuntimeError, EOFError, ConnectionError, FileNotFoundError) as error:
                    if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                        raise
                    reason = " ".join(str(error).split()) or "its connection is closed"
                    raise DataError(
                        f"a process that decodes images has ended ({reason[:200]}); most often memory has run out: "
                        "give fewer --workers, or --workers 0."
                    ) from error
            yield item
    finally:
        done.set()


def _continue_stopped(workers: Sequence[int], done: Event) -> None:
    """Continue workers that somebody has stopped: the parent, which runs, would wait for them for ever."""
    while not done.wait(STOPPED_FOR):
        for worker in workers:
            with suppress(OSError):
                state = Path(f"/proc/{worker}/stat").read_text(encoding="utf-8").rpartition(") ")[2][:1]
                if state == "T":
                    os.kill(worker, signal.SIGCONT)


def has_shared_memory() -> bool:
    """Return whether processes can share memory; a container may have none."""
    return sys.platform != "linux" or os.access("/dev/shm", os.W_OK)


def leave_process_group(worker: int) -> None:
    """Let a worker leave its parent's group; signals that came while it started are dropped.

    If the parent dies without ending its workers, they notice within seconds and end themselves.
    """
    sys.excepthook = _unless_the_parent_hung_up
    if os.name != "posix":
        return
    os.setpgid(0, 0)
    for number in ENDING:
        if number in signal.sigpending():
            signal.sigwait([number])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _unless_the_parent_hung_up(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show an error of a worker's thread, but for that of handing images to a parent that is ending."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


@contextmanager
def _held_back_from_children() -> Iterator[None]:
    """Hold signals back from processes that this thread forks meanwhile, until they ask for them."""
    if os.name != "posix":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
