"""Locks that the system releases when a process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def locked(path: Path, refusal: Callable[[str], Exception]) -> Iterator[bool]:
    """Hold a lock file for this process; it is made where there is none, and removed afterwards.

    The lock is the kernel's: it ends with the process, also where that is killed. It is a record lock, which belongs to
    the process alone: processes that decode images are forked, and would keep a lock of the other kind (``flock``)
    after their parent was killed.

    Args:
        path: The file, in a directory that is there.
        refusal: Makes the error from the name of who holds it.

    Yields:
        Whether it is held: on a file system without locks, as some clusters have, it is not.
    """
    file, held = _opened(path, refusal)
    try:
        while not _same(file.fileno(), path):  # who held it has removed it since
            file.close()
            file, held = _opened(path, refusal)
        _write_owner(file)
        try:
            yield held
        finally:
            path.unlink(missing_ok=True)
    finally:
        file.close()


def _opened(path: Path, refusal: Callable[[str], Exception]) -> tuple[IO[str], bool]:
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        owner = _owner(file)
        file.close()
        raise refusal(owner) from error
    except OSError:
        return file, False
    return file, True


def _same(descriptor: int, path: Path) -> bool:
    """Return whether what is open still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _write_owner(file: IO[str]) -> None:
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()


def _owner(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "another process"


@contextmanager
def in_use(path: Path) -> Iterator[bool]:
    """Mark a file or directory as being worked on until the context ends, or this process and its children do.

    Yields:
        Whether it still has its name: `unused` may have let another process remove it meanwhile.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process looks at it just now, to remove it
            yield False
            return
        except OSError:  # a file system without locks: nobody can tell that it is unused
            pass
        yield _same(descriptor, path)
    finally:
        os.close(descriptor)


def unused(path: Path) -> bool:
    """Return whether no process works on a file or directory, see `in_use`; False where the system cannot tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
