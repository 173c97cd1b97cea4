"""Hashing files, and replacing them whole or not at all."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from autola_analysis.core.errors import OptionError
from autola_analysis.core.interrupts import uninterrupted

UNUSED_DAYS = 30


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits, read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expanded(path: str | Path) -> Path:
    """Return a path with the home directory in place of ``~``.

    Raises:
        OptionError: If the path begins with the name of a user that there is not.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise OptionError(f"{path} begins with the home of a user that is not known here; write it out.") from error


def sync(file: IO[bytes]) -> None:
    """Wait until what was written has reached the disk; a disk that is full may only say so now."""
    file.flush()
    os.fsync(file.fileno())


def user_cache() -> Path:
    """Return the directory for what can be computed again: under ``$XDG_CACHE_HOME``, else under ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autola-analysis"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, on failure it is removed.

    The bytes reach the disk before the name changes, so that a crash leaves the old file or the new one. What killed
    processes left beside `path` is removed too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path)
    temporary = temporary_beside(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            sync(file)
        temporary.replace(path)
    finally:
        with uninterrupted():
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; on success it takes the place of `path`, on failure it is removed.

    What killed processes left beside `path` is removed too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path)
    temporary = temporary_beside(path)
    try:
        temporary.mkdir()
        yield temporary
        with uninterrupted():
            shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
    finally:
        with uninterrupted():
            shutil.rmtree(temporary, ignore_errors=True)


def temporary_beside(path: Path) -> Path:
    """Return a new name beside `path` that says which process on which machine writes there."""
    return path.with_name(f".{path.name}.partial-{_host()}-{secrets.token_hex(4)}-{os.getpid()}")


def clear_leftovers(path: Path) -> None:
    """Remove what killed processes left beside `path` under names of `temporary_beside`."""
    _clear(path.parent, glob.escape(path.name))


def _clear(folder: Path, names: str) -> None:
    # Only this machine's: on a shared disk another machine's process may be alive and well.
    for leftover in folder.glob(f".{names}.partial-{_host()}-*"):
        if process_alive(leftover.name.rpartition("-")[2]):
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def forget_unused(folder: Path, days: int = UNUSED_DAYS) -> None:
    """Remove from a folder of a cache what has not been used for some days, and what killed processes left.

    What is used must be touched; files and directories are judged by their own time of change.
    """
    _clear(folder, "*")
    oldest = time.time() - days * 86400
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # somebody else may be clearing up, too
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def touch(path: Path) -> None:
    """Note that something in a cache is used; a cache that can only be read is used without a note."""
    with suppress(OSError):
        os.utime(path)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"


def process_alive(process: str) -> bool:
    """Return whether a process of this number runs; True for what is no number."""
    if not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
