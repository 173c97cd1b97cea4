"""Several processes that share one run, as torchrun starts them: gloo on CPUs, NCCL between GPUs.

Small values go through a key-value store, as JSON and tensors (`messages`) and never as pickles. A process that waits
there also looks for a reported failure and for the heartbeats of the others: it waits for a slow process as long as
that process lives, and learns of a dead one within a minute. Tensors go through collectives of `torch.distributed`,
which begin when all processes are there.
"""

from __future__ import annotations

import heapq
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store

from autola_analysis.core.distributed import ProcessError, Processes, difference, enter, leave
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.heartbeats import AnsweringStore, Heartbeats, key_of
from autola_analysis.inference.launching import Launch
from autola_analysis.inference.messages import MessageError, decoded, encoded, signed, verified

LEAVING = 10.0
"""Seconds that the first process waits for the others at the end."""
LONGEST_POLL = 0.05
REDUCE_CHUNK = 2**23
"""Values of one all_reduce: more would need as much memory again, and could outlast the timeout."""
FAILED = "failed"

T = TypeVar("T")


@contextmanager
def joined() -> Iterator[Processes]:
    """Share the run in the context with the other processes that a launcher has started with this program.

    The launcher sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. All processes but the first keep quiet. On a
    machine with GPUs the process takes the GPU that LOCAL_RANK numbers.

    Raises:
        OptionError: If the launcher's variables are wrong.
        ProcessError: If the other processes do not come, the connection is lost, or, during the context, one of the
            other processes has failed.
    """
    launch = Launch.read()
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(launch.local_rank % torch.cuda.device_count())
    if launch.alone:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _loopback_interface())
    rank, world_size = launch.rank, launch.world_size
    with _connection():
        store = launch.meet()
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=PrefixStore("group", store),
            rank=rank,
            world_size=world_size,
            timeout=timedelta(minutes=5 if cuda else 1),  # NCCL's first connection takes its time on large clusters
        )
    processes = Launched(PrefixStore("run", store), rank, world_size, launch.secret)
    token = enter(processes)
    logger = logging.getLogger("autola_analysis")
    level = logger.level
    if not processes.first:
        logger.setLevel(logging.CRITICAL)
    try:
        yield processes
    except Exception as error:
        processes.report_failure(f"{type(error).__name__}: {error}")
        raise
    finally:
        logger.setLevel(level)
        leave(token)
        processes.close()
        dist.destroy_process_group()


class Launched(Processes):
    """Processes that a launcher has started.

    Args:
        store: Key-value store that all processes reach.
        rank: Number of this process, from 0.
        world_size: Number of processes.
        secret: Signs what is put into the store.
    """

    def __init__(self, store: Store, rank: int, world_size: int, secret: bytes = b"") -> None:
        self.rank = rank
        self.world_size = world_size
        self._store = AnsweringStore(store)
        self._heartbeats = Heartbeats(store, rank, world_size)
        self._secret = secret
        self._steps = 0
        self._host = socket.gethostname()
        self._speaks: bool | None = None

    def close(self) -> None:
        """Leave the run; the first process, which holds the store, waits a little for the others to read from it."""
        end = time.monotonic() + LEAVING
        with suppress(RuntimeError, ProcessError):  # the store is gone
            self._store.set(f"left/{self.rank}", "")
            others = [f"left/{rank}" for rank in range(self.world_size) if rank not in self._heartbeats.silent]
            while self.first and time.monotonic() < end and not self._store.check(others):
                time.sleep(LONGEST_POLL)
        self._heartbeats.close()

    def all_gather_object(self, value: T) -> list[T]:
        """Return the small values of all processes, in order of rank, once all have given theirs.

        Raises:
            TypeError: If the value is none that `messages` can send.
            ProcessError: If a process has failed, or has sent no heartbeat for too long.
        """
        self._steps += 1
        with _connection():
            self._put(f"{self._steps}/{self.rank}", encoded(value))
            return [decoded(self._wait_for(f"{self._steps}/{rank}", rank)) for rank in range(self.world_size)]

    def broadcast(self, tensor: Tensor | None) -> Tensor | None:
        """Return the tensor of the first process; the tensors that the other processes give are not read."""
        like = None if tensor is None else (tensor.new_empty(0).cpu(), list(tensor.shape), tensor.device.type)
        header = self.broadcast_object(like)
        if header is None:
            return None
        empty, shape, kind = header
        with _connection(), torch.inference_mode(False), torch.no_grad():
            # A tensor of inference mode cannot take part in a collective.
            copied = torch.empty(shape, dtype=empty.dtype, device=kind)
            if tensor is not None and self.first:
                copied.copy_(tensor)
            dist.broadcast(copied, src=0)
        return copied

    def all_reduce(self, tensors: Sequence[Tensor], device: torch.device) -> None:
        """Replace each tensor by its sum over the processes, in place."""
        # A collective has a timeout, and one process may read for hours longer than another.
        self.all_gather_object(None)
        for tensor in tensors:
            flat = tensor.view(-1)
            for start in range(0, len(flat), REDUCE_CHUNK):
                piece = flat[start : start + REDUCE_CHUNK]
                with _connection(), torch.inference_mode(False), torch.no_grad():
                    # A tensor of inference mode cannot take part in a collective.
                    moved = torch.empty_like(piece, device=device if device.type == "cuda" else "cpu").copy_(piece)
                    dist.all_reduce(moved)
                with torch.inference_mode():
                    piece.copy_(moved)

    def gather_in_order(self, items: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T]]:
        """Yield the items of all processes in the first process, sorted by number; yield none in the others."""
        self.all_gather_object(None)
        if self.first:
            streams: list[Iterable[tuple[int, T]]] = [items, *map(self._received, range(1, self.world_size))]
            yield from heapq.merge(*streams, key=lambda item: item[0])
        else:
            for item in items:
                self._send([item])
            self._send([])
        self.all_gather_object(None)

    def counter(self) -> Callable[[int], int]:
        """Return a function that adds to a count of all processes and returns it, or raises the failure of another."""
        self._steps += 1
        name = f"count/{self._steps}"

        def add(number: int) -> int:
            with _connection():
                self._raise_failure()
                return self._store.add(name, number)

        return add

    def check_same(self, inputs: Callable[[], Mapping[str, object]]) -> None:
        """Refuse to go on where processes have read different things; the first process says so, and all know it."""
        found = difference(self.all_gather_object((self._host, dict(inputs()))))
        if found:
            self._speaks = self.first
            raise ProcessError(found)

    def check_device(self, device: torch.device) -> None:
        """Refuse one GPU for all processes."""
        if device.type == "cuda" and device.index is not None:
            raise OptionError(
                f"--device {device} is one GPU, and {self.world_size} processes take one each; give cuda."
            )
        if device.type == "mps":
            raise OptionError("--device mps cannot be shared by several processes; give cpu, or start one process.")

    def report_failure(self, message: str) -> bool:
        """Report to the other processes that this process ends with an error; return whether it is the first to."""
        if self._speaks is not None:
            return self._speaks
        report = f"process {self.rank} of {self.world_size} on {self._host} failed: {message}".encode()
        try:
            return self._store.compare_set(FAILED, "", report.decode()) == report
        except (RuntimeError, ProcessError):
            return True  # the store is gone: no other process can have reported

    def _wait_for(self, key: str, rank: int) -> bytes:
        pause = 0.001
        while not self._store.check([key]):
            self._raise_failure()
            if rank != self.rank:
                alive = key_of(rank)
                self._heartbeats.check(rank, self._store.get(alive) if self._store.check([alive]) else b"")
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_POLL)
        return verified(key, self._store.get(key), self._secret)

    def _put(self, key: str, message: bytes) -> None:
        self._store.set(key, signed(key, message, self._secret))

    def _raise_failure(self) -> None:
        if self._store.check([FAILED]):
            raise ProcessError(self._store.get(FAILED).decode(errors="replace"))

    def _send(self, items: object) -> None:
        data = torch.frombuffer(bytearray(encoded(items)), dtype=torch.uint8)
        with _connection():
            dist.send(torch.tensor([len(data)]), 0)
            dist.send(data, 0)

    def _received(self, rank: int) -> Iterator[tuple[int, Any]]:
        while True:
            with torch.inference_mode(False), _connection():
                size = torch.empty(1, dtype=torch.int64)
                dist.recv(size, rank)
                data = torch.empty(int(size), dtype=torch.uint8)
                dist.recv(data, rank)
                items = decoded(data.numpy().tobytes())
            if not items:
                return
            yield from items


@contextmanager
def _connection() -> Iterator[None]:
    """Turn a failed connection between processes into one sentence."""
    try:
        yield
    except MessageError as error:
        raise ProcessError(
            f"what another process sent cannot be read ({error}); all must run the same command with the same version "
            "of this package, and have the same AUTOLA_SECRET."
        ) from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ProcessError(
            f"contact with the other processes was lost ({reason}); one of them has ended, or the network failed."
        ) from error


def _loopback_interface() -> str:
    """Return the name of the interface that reaches this machine only."""
    return next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), "lo")
