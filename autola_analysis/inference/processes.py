"""Several processes that share one run, as torchrun starts them: gloo on CPUs, NCCL between GPUs.

Everything small goes through the launcher's key-value store, where a process that waits looks for news of a failure
and for the others' heartbeats: it can wait for a slow process as long as that one lives, and hears of a dead one within
a minute. Sums and rows go through collectives, which begin when all have met.
"""

from __future__ import annotations

import heapq
import logging
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from autola_analysis.core.errors import OptionError
from autola_analysis.core.processes import ProcessError, Processes, enter, leave

JOINING = timedelta(minutes=5)
BEAT = 3.0
"""Seconds between heartbeats."""
SILENCE = 40.0
"""Seconds without one after which a process is taken for dead."""
LONGEST_PAUSE = 0.05
PIECE = 2**23
"""Values that one collective adds up: more would need as much memory again, and could outlast its timeout."""
FAILED = "failed"

T = TypeVar("T")


@contextmanager
def joined() -> Iterator[Processes]:
    """Share what runs in the context with the other processes that a launcher has started with this program.

    Asks for the variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. All processes but the first keep quiet. On a
    machine with GPUs the process takes the one that LOCAL_RANK numbers.

    Raises:
        ProcessError: If the others do not come, or contact is lost; during the context also if one has failed.
    """
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    with _contact():
        store, rank, count = next(rendezvous("env://", timeout=JOINING))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=PrefixStore("group", store),
            rank=rank,
            world_size=count,
            timeout=timedelta(minutes=5 if cuda else 1),  # NCCL's first connection takes its time on large clusters
        )
    processes = Launched(PrefixStore("run", store), rank, count)
    token = enter(processes)
    logger = logging.getLogger("autola_analysis")
    level = logger.level
    if not processes.first:
        logger.setLevel(logging.CRITICAL)
    try:
        yield processes
    except Exception as error:
        processes.fails(f"{type(error).__name__}: {error}")
        raise
    finally:
        logger.setLevel(level)
        leave(token)
        processes.close()
        dist.destroy_process_group()


class Launched(Processes):
    """Processes that a launcher has started.

    Args:
        store: That all of them reach.
        rank: Of this one.
        count: Of all.
    """

    def __init__(self, store: Store, rank: int, count: int) -> None:
        self.rank = rank
        self.count = count
        self._store = store
        self._steps = 0
        self._heard: dict[int, tuple[bytes, float]] = {}
        self._closing = Event()
        self._host = f"process {rank} of {count} on {socket.gethostname()}"
        Thread(target=self._live, daemon=True).start()

    def close(self) -> None:
        """End the heartbeat."""
        self._closing.set()

    def exchange(self, value: T) -> list[T]:
        """Return the small values that all processes give, in order of rank; waits for them.

        Raises:
            ProcessError: If a process has failed, or has been silent for too long.
        """
        self._steps += 1
        with _contact():
            self._store.set(f"{self._steps}/{self.rank}", pickle.dumps(value).hex())
            said = [self._await(f"{self._steps}/{rank}", rank).decode() for rank in range(self.count)]
        return [pickle.loads(bytes.fromhex(text)) for text in said]

    def same(self, tensor: Tensor | None) -> Tensor | None:
        """Return the tensor of the first process, which the others need not have."""
        known = self.told(None if tensor is None else (tensor.shape, tensor.dtype, tensor.device.type))
        if known is None:
            return None
        shape, dtype, kind = known
        with _contact(), torch.inference_mode(False), torch.no_grad():
            # A tensor of inference mode cannot take part in a collective.
            copied = torch.empty(shape, dtype=dtype, device=kind)
            if tensor is not None and self.first:
                copied.copy_(tensor)
            dist.broadcast(copied, src=0)
        return copied

    def add_up(self, tensors: Sequence[Tensor], device: torch.device) -> None:
        """Replace each tensor by its sum over the processes, in place."""
        self.exchange(None)  # a collective has a timeout, and one process may read for hours longer than another
        for tensor in tensors:
            flat = tensor.view(-1)
            for start in range(0, len(flat), PIECE):
                piece = flat[start : start + PIECE]
                with _contact(), torch.inference_mode(False), torch.no_grad():
                    # A tensor of inference mode cannot take part in a collective.
                    moved = torch.empty_like(piece, device=device if device.type == "cuda" else "cpu").copy_(piece)
                    dist.all_reduce(moved)
                with torch.inference_mode():
                    piece.copy_(moved)

    def in_order(self, items: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T]]:
        """Bring items to the first process, one by one and sorted by number; the others give theirs and get none."""
        self.exchange(None)
        if self.first:
            everything: list[Iterable[tuple[int, T]]] = [items, *map(self._received, range(1, self.count))]
            yield from heapq.merge(*everything, key=lambda item: item[0])
        else:
            for item in items:
                self._send(item)
            self._send(None)
        self.exchange(None)

    def counter(self) -> Callable[[int], int]:
        """Return a function that adds to a count of all processes, and looks whether one of them has failed."""
        self._steps += 1
        name = f"count/{self._steps}"

        def add(number: int) -> int:
            with _contact():
                self._hear_of_failures()
                return self._store.add(name, number)

        return add

    def check_device(self, device: torch.device) -> None:
        """Refuse one GPU for all processes."""
        if device.type == "cuda" and device.index is not None:
            raise OptionError(f"--device {device} is one GPU, and {self.count} processes take one each; give cuda.")
        if device.type == "mps":
            raise OptionError("--device mps cannot be shared by several processes; give cpu, or start one process.")

    def fails(self, message: str) -> bool:
        """Let the others know that this process ends with an error; returns whether it is the first to."""
        said = f"{self._host} failed: {message}".encode()
        try:
            return self._store.compare_set(FAILED, "", said.decode()) == said
        except RuntimeError:
            return True  # nobody is there to be told, or to have said it

    def _await(self, key: str, rank: int) -> bytes:
        pause = 0.001
        while not self._store.check([key]):
            self._hear_of_failures()
            if rank != self.rank:
                self._listen(rank)
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        return self._store.get(key)

    def _hear_of_failures(self) -> None:
        if self._store.check([FAILED]):
            raise ProcessError(self._store.get(FAILED).decode(errors="replace"))

    def _listen(self, rank: int) -> None:
        now = time.monotonic()
        beat = self._store.get(f"alive/{rank}") if self._store.check([f"alive/{rank}"]) else b""
        before, since = self._heard.setdefault(rank, (beat, now))
        if beat != before:
            self._heard[rank] = (beat, now)
        elif now - since > SILENCE:
            raise ProcessError(
                f"process {rank} of {self.count} has not been heard of for {SILENCE:.0f} seconds: it was killed, most "
                "often for lack of memory, or its machine cannot be reached; start the run again, finished passes are "
                "kept in the cache."
            )

    def _live(self) -> None:
        beats = 0
        while True:
            try:
                self._store.set(f"alive/{self.rank}", str(beats))
            except RuntimeError:
                return  # the store is gone; what asks it next will say so
            if self._closing.wait(BEAT):
                return
            beats += 1

    def _send(self, item: object) -> None:
        data = torch.frombuffer(bytearray(pickle.dumps(item)), dtype=torch.uint8)
        with _contact():
            dist.send(torch.tensor([len(data)]), 0)
            dist.send(data, 0)

    def _received(self, rank: int) -> Iterator[tuple[int, Any]]:
        while True:
            with torch.inference_mode(False), _contact():
                size = torch.empty(1, dtype=torch.int64)
                dist.recv(size, rank)
                data = torch.empty(int(size), dtype=torch.uint8)
                dist.recv(data, rank)
            item = pickle.loads(data.numpy().data)
            if item is None:
                return
            yield item


@contextmanager
def _contact() -> Iterator[None]:
    """Turn what goes wrong between processes into one sentence."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ProcessError(
            f"contact with the other processes was lost ({reason}); one of them has ended, or the network failed."
        ) from error
