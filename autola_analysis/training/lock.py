"""One process at a time trains into a folder."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from autola_analysis.core.errors import TrainingError

LOCK = "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; it is made where there is none.

    The lock is the kernel's, on a file in the folder: it ends with the process, also where that is killed. It is a
    record lock, which belongs to the process alone: processes that decode images are forked, and would keep a lock of
    the other kind (``flock``) after their parent was killed.

    Raises:
        TrainingError: If another process holds the folder.
    """
    path = folder / LOCK
    file = _opened(path)
    try:
        while not _same(file, path):  # who held it has removed it since
            file.close()
            file = _opened(path)
        _write_owner(file)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        file.close()


def _opened(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        owner = _owner(file)
        file.close()
        raise TrainingError(
            f"{owner} is training into {path.parent} already; wait until it has ended, end it, or choose another --out."
        ) from error
    except OSError:  # a file system without locks, as some clusters have: train without one
        pass
    return file


def _same(file: IO[str], path: Path) -> bool:
    """Return whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write_owner(file: IO[str]) -> None:
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()


def _owner(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "another process"
