"""Hashing files, and replacing them whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from autola_analysis.core.errors import OptionError
from autola_analysis.core.interrupts import uninterrupted
from autola_analysis.core.locks import in_use, unused
from autola_analysis.core.reading import open_ordinary


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits, read in pieces."""
    with open_ordinary(path) as file:
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


def home() -> Path:
    """Return the home directory; that of temporary files for a user who has none, as in a container."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir())


@contextmanager
def with_home() -> Iterator[None]:
    """Let libraries that ask for the home directory when they are imported find that of `home`."""
    known = os.environ.get("HOME")
    os.environ["HOME"] = str(home())
    try:
        yield
    finally:
        if known is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = known


def sync(file: IO[bytes]) -> None:
    """Wait until what was written has reached the disk; a disk that is full may only say so now."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, on failure it is removed.

    The bytes reach the disk before the name changes, so that a crash leaves the old file or the new one. What killed
    processes left beside `path` is removed too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path)
    with _temporary(path, lambda temporary: temporary.touch(exist_ok=False)) as temporary:
        try:
            yield temporary
            with temporary.open("rb+") as file:
                sync(file)
            temporary.replace(path)
        finally:
            with uninterrupted():
                temporary.unlink(missing_ok=True)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path` that is moved there on success, and removed on failure.

    What killed processes left beside `path` is removed too.

    Raises:
        OptionError: If something has come to be at `path` meanwhile; it stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path)
    with temporary_directory(path) as temporary:
        yield temporary
        with uninterrupted():
            refuse_existing(path)
            temporary.rename(path)


@contextmanager
def without_empty_parents(path: Path) -> Iterator[None]:
    """Remove, at the end, the folders above a path that were made meanwhile and hold nothing."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        yield
    finally:
        with uninterrupted():
            for parent in missing:
                if parent.exists() and not any(parent.iterdir()):
                    parent.rmdir()


def refuse_existing(path: Path) -> None:
    """Refuse to write where something is.

    Raises:
        OptionError: If `path` exists.
    """
    if os.path.lexists(path):
        raise OptionError(f"{path} exists already; choose another --out, or move it away.")


@contextmanager
def temporary_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory beside `path` that is removed afterwards, unless it has been renamed."""
    with _temporary(path, Path.mkdir) as temporary:
        try:
            yield temporary
        finally:
            with uninterrupted():
                shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _temporary(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Make a file or directory beside `path` that other processes know to be in use."""
    with ExitStack() as stack:
        while True:
            temporary = temporary_beside(path)
            make(temporary)
            try:
                mine = stack.enter_context(in_use(temporary))
            except FileNotFoundError:
                continue
            if mine:
                break
        yield temporary


def temporary_beside(path: Path) -> Path:
    """Return a new name beside `path` that no user gives, see `leftovers`."""
    return path.with_name(f".{path.name}.partial-{secrets.token_hex(8)}")


def leftovers(folder: Path, name: str | None = None) -> list[Path]:
    """Return what has a name of `temporary_beside` in a folder.

    Args:
        folder: Where to look.
        name: Name of the path that it lies beside; None for that of any.
    """
    pattern = re.compile(rf"\.{'.+' if name is None else re.escape(name)}\.partial-[0-9a-f]{{16}}", re.DOTALL)
    return [path for path in sorted(folder.glob(".*")) if pattern.fullmatch(path.name)]


def clear_leftovers(path: Path) -> None:
    """Remove what killed processes left beside `path` under names of `temporary_beside`."""
    clear(leftovers(path.parent, path.name))


def clear(paths: Iterable[Path]) -> None:
    """Remove those of some temporary paths that no process works on."""
    for leftover in paths:
        if unused(leftover):
            with suppress(PermissionError):  # another user's
                remove(leftover)


def remove(path: Path) -> None:
    """Remove a file, or a directory with everything in it, that may be gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def unlink_listed(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder by their names, in this order; what a name reaches outside the folder stays."""
    root = os.path.realpath(folder)
    for path in (folder / name for name in names):
        if Path(os.path.realpath(path.parent)).is_relative_to(root):
            path.unlink(missing_ok=True)


def remove_listed(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder by their names, in this order, then it and its folders where nothing else is in them."""
    unlink_listed(folder, names)
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # it holds something else
            Path(path).rmdir()


def free_place(path: Path) -> Path:
    """Return a path, or where something is there ``NAME.kept.SUFFIX``, ``NAME.kept2.SUFFIX`` and so on."""
    place, number = path, 1
    while os.path.lexists(place):
        place = path.with_name(f"{path.stem}.kept{number if number > 1 else ''}{path.suffix}")
        number += 1
    return place


def touch(path: Path) -> None:
    """Note that something in a cache is used; a cache that can only be read is used without a note."""
    with suppress(OSError):
        os.utime(path)
