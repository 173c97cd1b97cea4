"""Starting several processes as a launcher does."""

import socket
from collections.abc import Mapping, Sequence

from tests.processes import Finished, Program


def launch(
    count: int, arguments: Sequence[object], of_rank: Mapping[int, Mapping[str, str]] | None = None, **variables: str
) -> list[Finished]:
    """Run ``python -m ARGUMENTS`` in several processes and wait for all; returns them in order of rank.

    Args:
        count: Number of processes.
        arguments: Of Python, from the module on.
        of_rank: Variables of the environment of some processes.
        variables: Of all processes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [
        Program(
            arguments,
            variables={
                **common,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                **variables,
                **(of_rank or {}).get(rank, {}),
            },
        )
        for rank in range(count)
    ]
    try:
        return [program.finished() for program in started]
    finally:
        for program in started:
            program.kill()
