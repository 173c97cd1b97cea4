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

UNUSED_DAYS = 30


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits, read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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

    The bytes reach the disk before the name changes, so that a crash leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            sync(file)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; on success it takes the place of `path`, on failure it is removed.

    Directories that killed processes left beside `path` are removed too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, path.name)
    temporary = path.with_name(f".{path.name}.partial-{_host()}-{secrets.token_hex(4)}-{os.getpid()}")
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what `replacing_directory` was writing into a folder when its process was killed.

    Args:
        folder: Where to look.
        name: Of the directory that was being written; None for all.
    """
    # Only this host's: on a shared disk another host's process may be alive and well.
    for leftover in folder.glob(f".{'*' if name is None else glob.escape(name)}.partial-{_host()}-*"):
        if not process_alive(leftover.name.rpartition("-")[2]):
            shutil.rmtree(leftover, ignore_errors=True)


def forget_unused(folder: Path, days: int = UNUSED_DAYS) -> None:
    """Remove from a folder of a cache what has not been used for some days, and what killed processes left.

    What is used must be touched; files and directories are judged by their own time of change.
    """
    remove_leftovers(folder)
    oldest = time.time() - days * 86400
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # somebody else may be clearing up, too
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - 86400:
                path.unlink()


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
