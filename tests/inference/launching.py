"""Starting several processes as a launcher does."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def launch(
    count: int, arguments: Sequence[object], of_rank: Mapping[int, Mapping[str, str]] | None = None, **variables: str
) -> list[subprocess.CompletedProcess[str]]:
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
        subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=ROOT,
            env={
                **os.environ,
                **common,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                **variables,
                **(of_rank or {}).get(rank, {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        said = [process.communicate(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()
    return [
        subprocess.CompletedProcess(process.args, process.returncode, out, err)
        for process, (out, err) in zip(started, said, strict=True)
    ]
