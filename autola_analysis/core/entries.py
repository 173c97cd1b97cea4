"""Entries of the cache: folders whose record, written last, says what they are of and what is in every file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from autola_analysis.core.cache import cache_errors, ready_to_write
from autola_analysis.core.files import (
    clear,
    free_place,
    leftovers,
    remove_listed,
    replacing,
    sha256_of,
    temporary_directory,
    touch,
)
from autola_analysis.core.reading import TextFault, json_of, read_text

RECORD = "entry.json"
"""Written last: a folder without it holds no finished entry."""
UNREADABLE = (OSError, TextFault, KeyError, TypeError, AttributeError)
"""What reading a damaged record raises."""
UNUSED_DAYS = 30

logger = logging.getLogger(__name__)


@contextmanager
def new_entry(path: Path) -> Iterator[Path]:
    """Yield a folder to fill and to `seal`; it appears in its place when the context ends without an exception.

    An equal entry that another process has finished meanwhile is left; any other entry that stands there is replaced.
    Entries of the folder that have not been used for long, and what killed processes left, are removed.

    Args:
        path: A name in a folder of `cache_folder`.

    Raises:
        CacheError: If the cache cannot be written.
    """
    with cache_errors(path.parent):
        ready_to_write(path.parent)
        forget_unused(path.parent)
    with temporary_directory(path) as folder:
        yield folder
        _place(folder, path)


def _place(folder: Path, path: Path) -> None:
    content = content_of(folder)
    if content_of(path) == content and is_sound(path):
        return
    try:
        _forget(path)
        if os.path.lexists(path):
            kept = free_place(path)
            path.rename(kept)
            logger.warning("%s holds what no record lists; it is %s now.", path, kept.name)
        folder.rename(path)
    except OSError as error:
        if content_of(path) != content:
            logger.warning("%s cannot be replaced (%s); remove it.", path, error.strerror or error)


def forget_unused(folder: Path, days: int = UNUSED_DAYS) -> None:
    """Remove entries of a folder that have not been used for some days, and what killed processes left.

    Of an entry goes what its record lists; anything else in the folder, or in an entry, is not ours and stays.
    """
    clear(leftovers(folder))
    oldest = time.time() - days * 86400
    for path in folder.glob("*"):
        with suppress(OSError):  # somebody else may be clearing up, too, or own it
            if path.stat().st_mtime < oldest:
                _forget(path)


def _forget(path: Path) -> None:
    """Remove what the record of an entry lists, the record last."""
    record = _record(path)
    if record is not None:
        remove_listed(path, [*record["files"], RECORD])


def seal(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the record of a folder that holds everything else.

    Args:
        folder: The entry.
        content: What it is of, JSON-ready.
    """
    record = {"content": dict(content), "files": _hashes(folder)}
    with replacing(folder / RECORD) as path:
        path.write_text(json.dumps({**record, "sha256": _hash(record)}, indent=1) + "\n", encoding="utf-8")


def content_of(folder: Path) -> dict[str, Any] | None:
    """Return what `seal` recorded; None where the record is missing or damaged. No file is looked at."""
    record = _record(folder)
    return None if record is None else record["content"]


def is_sound(folder: Path) -> bool:
    """Return whether an entry has a record and all its files are as the record says."""
    record = _record(folder)
    try:
        return record is not None and record["files"] == _hashes(folder)
    except OSError:
        return False


def found_entry(folder: Path, what: str) -> dict[str, Any] | None:
    """Return what a sound entry is of, and note its use; None, with a warning, where it is damaged.

    Args:
        folder: The entry.
        what: What messages call it.
    """
    if not _exists(folder):
        return None
    content = content_of(folder)
    if content is None or not is_sound(folder):
        logger.warning("%s in %s is not complete or damaged; it is made again.", what, folder)
        return None
    touch(folder)
    return content


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json_of(read_text(folder / RECORD), finite=False)
        return record if record.pop("sha256") == _hash(record) and {"content", "files"} <= record.keys() else None
    except UNREADABLE:
        return None


def _hash(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file but the record, by its path in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / RECORD]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(files)}
