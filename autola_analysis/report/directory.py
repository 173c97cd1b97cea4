"""The report directory: written beside its place, moved there when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autola_analysis.core.errors import ReportError
from autola_analysis.core.files import clear_leftovers, temporary_beside
from autola_analysis.core.interrupts import uninterrupted

MANIFEST = "run.json"
"""Written last: a directory without it is no report."""


@contextmanager
def report_directory(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary directory that becomes `out` when the context ends without an exception.

    After an exception nothing is left of it, and an earlier report at `out` is as it was. An earlier report is
    replaced only with `overwrite`: renamed away, the new one renamed in, the old one deleted. What a killed run left
    behind is cleared up by the next one.

    Raises:
        ReportError: If `out` holds something and `overwrite` is not given, or its parent cannot be written.
    """
    out = Path(os.path.realpath(out))  # a link to a directory on another disk stays a link
    _repair(out)
    check_free(out, overwrite)
    temporary = temporary_beside(out)
    made = [parent for parent in out.parents if not parent.exists()]
    try:
        _make(temporary)
        yield temporary
        if not (temporary / MANIFEST).exists():
            raise ReportError(f"a report must end with {MANIFEST}; this one was not finished.")
        with uninterrupted():
            check_free(out, overwrite)  # somebody may have written there meanwhile
            _move_in(temporary, out)
    finally:
        with uninterrupted():
            shutil.rmtree(temporary, ignore_errors=True)
            for parent in made:
                if parent.exists() and not any(parent.iterdir()):
                    parent.rmdir()


def _make(temporary: Path) -> None:
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise ReportError(f"cannot write a report into {temporary.parent}: {error.strerror}.") from error


def check_free(out: Path, overwrite: bool = False) -> None:
    """Refuse an output directory that is taken, before any work is done.

    Raises:
        ReportError: If `out` is a file, or holds something and `overwrite` is not given, or holds no report at all.
    """
    if out.is_file():
        raise ReportError(f"{out} is a file; --out names a directory.")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / MANIFEST).exists():
        raise ReportError(f"{out} holds files and no report ({MANIFEST}); choose another --out.")
    if not overwrite:
        raise ReportError(f"{out} holds a report already; give --overwrite to replace it, or another --out.")


def _set_aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.replaced")


def _move_in(temporary: Path, out: Path) -> None:
    if out.exists():
        old = _set_aside(out)
        out.rename(old)
        temporary.rename(out)
        shutil.rmtree(old)
    else:
        temporary.rename(out)


def _repair(out: Path) -> None:
    """Finish or undo what a run that was killed between two renames left, and remove dead runs' directories."""
    old = _set_aside(out)
    if old.exists():
        if out.exists():
            shutil.rmtree(old)
        else:
            old.rename(out)
    clear_leftovers(out)
