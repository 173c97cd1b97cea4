"""Whether the processes that share a run are alive: each counts in the key-value store, the others look."""

from __future__ import annotations

import time
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from torch.distributed.distributed_c10d import Store

from autola_analysis.core.distributed import ProcessError

HEARTBEAT = 3.0
"""Seconds between heartbeats."""
HEARTBEAT_TIMEOUT = 40.0
"""Seconds without a heartbeat, or without an answer of the store, after which a process is taken for dead."""
LONGEST_STEP = 1.0
"""Seconds that may pass at once: the time while this process itself was stopped says nothing of the others."""


class AnsweringStore:
    """A store that answers within a bounded time: the process that holds it may be stopped, or its machine hang.

    Calls of torch's store cannot be ended; they are made in a thread of their own, which is left behind in that case.

    Args:
        store: Key-value store that all processes reach.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls: SimpleQueue[tuple[str, tuple[Any, ...], Future[Any]]] = SimpleQueue()
        self._gone = False
        Thread(target=self._serve, daemon=True).start()

    def set(self, key: str, value: str) -> None:
        """Set a value."""
        self._answer("set", key, value)

    def get(self, key: str) -> bytes:
        """Return the value of a key that is set."""
        return bytes(self._answer("get", key))

    def check(self, keys: list[str]) -> bool:
        """Return whether all of the keys are set."""
        return bool(self._answer("check", keys))

    def add(self, key: str, amount: int) -> int:
        """Add to a number and return it."""
        return int(self._answer("add", key, amount))

    def compare_set(self, key: str, expected: str, value: str) -> bytes:
        """Set a value where the key has the expected one, which is "" for none; return what it has then."""
        return bytes(self._answer("compare_set", key, expected, value))

    def _answer(self, name: str, *arguments: Any) -> Any:
        answer: Future[Any] = Future()
        if not self._gone:
            self._calls.put((name, arguments, answer))
        waited = 0.0
        while waited < HEARTBEAT_TIMEOUT and not self._gone:
            try:
                return answer.result(LONGEST_STEP)
            except TimeoutError:
                waited += LONGEST_STEP
        self._gone = True
        raise ProcessError(
            f"process 0 has not answered for {HEARTBEAT_TIMEOUT:.0f} seconds: it was stopped, or its machine hangs or "
            "cannot be reached; start the run again, finished passes are kept in the cache."
        )

    def _serve(self) -> None:
        while True:
            name, arguments, answer = self._calls.get()
            try:
                answer.set_result(getattr(self._store, name)(*arguments))
            except (RuntimeError, TypeError) as error:
                answer.set_exception(error)


class Heartbeats:
    """The heartbeats of all processes.

    Args:
        store: Key-value store that all processes reach; heartbeats have calls of their own.
        rank: Number of this process, from 0.
        world_size: Number of processes.

    Attributes:
        silent: Processes that were found to be dead.
    """

    def __init__(self, store: Store, rank: int, world_size: int) -> None:
        self.silent: set[int] = set()
        self._store = store
        self._rank = rank
        self._world_size = world_size
        self._heard: dict[int, tuple[bytes, float, float]] = {}
        self._closing = Event()
        Thread(target=self._send, daemon=True).start()

    def close(self) -> None:
        """Send none any more."""
        self._closing.set()

    def check(self, rank: int, beat: bytes) -> None:
        """Refuse to wait any longer for a process that is dead.

        Args:
            rank: Number of the process.
            beat: Its last heartbeat; empty where it has sent none.

        Raises:
            ProcessError: If it has sent none for too long.
        """
        now = time.monotonic()
        before, silence, looked = self._heard.get(rank, (beat, 0.0, now))
        silence = 0.0 if beat != before else silence + min(now - looked, LONGEST_STEP)
        self._heard[rank] = (beat, silence, now)
        if silence > HEARTBEAT_TIMEOUT:
            self.silent.add(rank)
            raise ProcessError(
                f"process {rank} of {self._world_size} has not been heard of for {HEARTBEAT_TIMEOUT:.0f} seconds: it "
                "was stopped or killed, most often for lack of memory, or its machine cannot be reached; start the "
                "run again, finished passes are kept in the cache."
            )

    def _send(self) -> None:
        beats = 0
        while True:
            try:
                self._store.set(key_of(self._rank), str(beats))
            except RuntimeError:
                return  # the store is gone: the next call of a collective raises
            if self._closing.wait(HEARTBEAT):
                return
            beats += 1


def key_of(rank: int) -> str:
    """Return the key of a process's heartbeats."""
    return f"alive/{rank}"
