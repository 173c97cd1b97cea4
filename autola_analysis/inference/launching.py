"""What a launcher says in the environment, and the key-value store where its processes meet.

On one machine the store listens on the loopback interface only, so that nobody on the network can write into it. Over
several machines it must be open to the network: there the processes sign what they put into it with a secret.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, but not listed
from torch.distributed.distributed_c10d import PrefixStore, Store

from autola_analysis.core.errors import OptionError

JOINING = timedelta(minutes=5)
LOOPBACK = "127.0.0.1"
SECRET = "AUTOLA_SECRET"
SHORTEST_SECRET = 16
MOST_PROCESSES = 2**16
HIGHEST_PORT = 2**16 - 1
PORT = "port"


@dataclass(frozen=True)
class Launch:
    """The variables of a launcher.

    Attributes:
        rank: Number of this process, from 0.
        world_size: Number of processes.
        local_rank: Number of this process on its machine.
        address: Where the processes meet.
        port: The port there.
        alone: Whether all processes run on this machine.
        served: Whether the launcher itself holds a store there, as torchrun does.
        attempt: How often the launcher has started the processes again.
        secret: What signs messages; empty on one machine, unless one is given.
    """

    rank: int
    world_size: int
    local_rank: int
    address: str
    port: int
    alone: bool
    served: bool
    attempt: str
    secret: bytes

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Launch:
        """Return what the environment says.

        Raises:
            OptionError: If a variable is missing or has a value that no launcher sets, or the processes run on several
                machines without a secret.
        """
        world_size = _number(variables, "WORLD_SIZE", 1, MOST_PROCESSES)
        rank = _number(variables, "RANK", 0, world_size - 1)
        local_size = _number(variables, "LOCAL_WORLD_SIZE", 1, world_size, default=0)
        address = variables.get("MASTER_ADDR", "")
        secret = variables.get(SECRET, "").encode()
        alone = local_size == world_size if local_size else _is_loopback(address)
        if not alone and len(secret) < SHORTEST_SECRET:
            raise OptionError(
                f"{world_size} processes on several machines meet at {address or 'MASTER_ADDR'}, which others on the "
                f"network can reach; give all of them one secret of {SHORTEST_SECRET} characters or more in {SECRET} "
                f"(export {SECRET}=$(openssl rand -hex 32) before the launcher starts); or LOCAL_WORLD_SIZE, where "
                "they run on one machine."
            )
        launch = cls(
            rank=rank,
            world_size=world_size,
            local_rank=_number(variables, "LOCAL_RANK", 0, MOST_PROCESSES, default=0),
            address=address,
            port=_number(variables, "MASTER_PORT", 1, HIGHEST_PORT),
            alone=alone,
            served=variables.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
            attempt=variables.get("TORCHELASTIC_RESTART_COUNT", "0"),
            secret=secret,
        )
        _check_address(address)
        return launch

    def meet(self) -> Store:
        """Return the store, once all processes have come.

        Raises:
            RuntimeError: If they do not come within five minutes.
        """
        if self.alone:
            port = self._agreed_port() if self.served else self.port
            return self._store(LOOPBACK, port)
        return self._client(self.address, self.port) if self.served else self._store(self.address, self.port)

    def _store(self, address: str, port: int) -> TCPStore:
        """Hold the store in the first process; join it in the others."""
        if self.rank:
            return self._client(address, port)
        return TCPStore(address, port, self.world_size, True, JOINING, master_listen_fd=self._listening(port).detach())

    def _client(self, address: str, port: int) -> TCPStore:
        return TCPStore(address, port, self.world_size, False, JOINING)

    def _listening(self, port: int) -> socket.socket:
        listening = socket.create_server((LOOPBACK if self.alone else "", port), backlog=self.world_size)
        listening.set_inheritable(False)
        return listening

    def _agreed_port(self) -> int:
        """Return a free port of this machine, which the first process tells the others through the launcher's store."""
        offered = PrefixStore(f"autola/{self.attempt}", self._client(self.address, self.port))
        if self.rank == 0:
            with socket.create_server((LOOPBACK, 0)) as free:
                offered.set(PORT, str(free.getsockname()[1]))
        return _number({PORT: offered.get(PORT).decode()}, PORT, 1, HIGHEST_PORT)


def _number(variables: Mapping[str, str], name: str, low: int, high: int, default: int | None = None) -> int:
    text = variables.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        found = "is not set" if text is None else f"is {text[:40]!r}"
        raise OptionError(
            f"{name} {found} in the environment, and a launcher sets it to a number from {low} to {high}; start the "
            "processes with torchrun, or unset WORLD_SIZE to run one process."
        )
    return int(text)


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False


def _check_address(address: str) -> None:
    try:
        socket.getaddrinfo(address, None)
    except (OSError, UnicodeError) as error:
        raise OptionError(
            f"MASTER_ADDR is {address[:80]!r}, and no machine of that name is known here; start the processes with "
            "torchrun, or unset WORLD_SIZE to run one process."
        ) from error
