"""What of a report directory this toolkit wrote: only that is ever removed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from autola_analysis.core.files import sha256_of

MANIFEST = "run.json"
"""Written last: a directory without it is no report."""
TOOL = "autola-analysis"
"""What a record names as its writer."""


def written_files(directory: Path) -> dict[str, str] | None:
    """Return what the record of a report lists: relative path -> sha256; None where this toolkit wrote no record."""
    path = directory / MANIFEST
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("tool") != TOOL or not isinstance(record.get("outputs"), dict):
        return None
    return {str(name): str(digest) for name, digest in record["outputs"].items()}


def foreign_entries(directory: Path, written: Mapping[str, str]) -> Iterator[Path]:
    """Yield what lies in a report and is not as a run wrote it: other and edited files, links, empty folders.

    Args:
        directory: The report.
        written: As `written_files` gives it.
    """
    folders = {parent for name in written for parent in PurePosixPath(name).parents}
    for root, names, files in os.walk(directory):
        here = Path(root)
        links = [name for name in names if (here / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = here / name
            relative = path.relative_to(directory).as_posix()
            if relative != MANIFEST and not _unchanged(path, written.get(relative)):
                yield path
        empty = not names and not files and here != directory
        if empty and PurePosixPath(here.relative_to(directory).as_posix()) not in folders:
            yield here


def _unchanged(path: Path, digest: str | None) -> bool:
    return digest is not None and stat.S_ISREG(path.lstat().st_mode) and sha256_of(path) == digest
