"""The report directory: written beside its place, moved there when it is whole; nothing of the user's is removed."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from autola_analysis.core.errors import ReportError
from autola_analysis.core.files import (
    free_place,
    leftovers,
    remove,
    remove_listed,
    temporary_beside,
    unlink_listed,
    without_empty_parents,
)
from autola_analysis.core.interrupts import uninterrupted
from autola_analysis.core.locks import locked
from autola_analysis.report.ownership import MANIFEST, TOOL, foreign_entries, written_files

logger = logging.getLogger(__name__)
_SHOWN = 3


@contextmanager
def report_directory(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary directory that becomes `out` when the context ends without an exception.

    After an exception nothing is left of it, and an earlier report at `out` is as it was. An earlier report is
    replaced only with `overwrite`: renamed away, the new one renamed in, what the old run wrote deleted. Everything
    else that lay in the old one, edited files too, stays in the new one under its name, or as ``NAME.kept.SUFFIX``
    where the new run has written a file of that name. What a killed run left behind is cleared up by the next one.

    One process at a time writes a report at a place, as long as the file system has locks.

    Raises:
        ReportError: If `out` holds something and `overwrite` is not given, or no report, or its parent cannot be
            written, or another process writes a report there.
    """
    out = Path(os.path.realpath(out))  # a link to a directory on another disk stays a link
    check_free(out, overwrite)
    beside = _beside(out)
    with without_empty_parents(out):
        _make(beside.parent)
        with locked(beside.with_name(f".{out.name}.lock"), lambda owner: _taken(out, owner)) as alone:
            if alone:
                _repair(out, beside)
            check_free(out, overwrite)
            temporary = temporary_beside(beside)
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


def check_free(out: Path, overwrite: bool = False) -> None:
    """Refuse an output directory that is taken or cannot be written, before any work is done.

    Raises:
        ReportError: If `out` is a file, or holds something and `overwrite` is not given, or holds no report at all, or
            the system forbids writing there.
    """
    if out.exists() and not out.is_dir():
        raise ReportError(f"{out} is a file; --out names a directory.")
    place = Path(os.path.realpath(out))
    parent = next(parent for parent in (_beside(place).parent, *_beside(place).parents) if parent.exists())
    if not parent.is_dir():
        raise ReportError(f"cannot write a report into {out.parent}: {parent} is a file.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ReportError(f"cannot write a report into {parent}: this user may not write there; choose another --out.")
    if _set_aside(place).exists() or not place.exists():
        return  # an interrupted run's, which is looked at when the place is locked
    if not any(path for path in place.iterdir() if path.name not in _own_names(place)):
        return
    if written_files(place) is None:
        raise ReportError(f"{out} holds files and no report of {TOOL} ({MANIFEST}); choose another --out.")
    if not overwrite:
        raise ReportError(f"{out} holds a report already; give --overwrite to replace it, or another --out.")


def refuse_inputs_inside(out: Path, inputs: Mapping[Path, str], images: Mapping[Path, str]) -> None:
    """Refuse a report directory that holds what the run reads, or lies among its images.

    Args:
        out: The report directory.
        inputs: Files and folders that the run reads or keeps -> what they are.
        images: Folders whose sub-folders are read as classes -> what they are.

    Raises:
        ReportError: With the path in question.
    """
    place = Path(os.path.realpath(out))
    for path, what in inputs.items():
        if Path(os.path.realpath(path)).is_relative_to(place):
            raise ReportError(
                f"{what} {path} lies inside --out {out}, which the report replaces; choose another --out."
            )
    for path, what in images.items():
        if place.is_relative_to(os.path.realpath(path)):
            raise ReportError(
                f"--out {out} lies inside {what} {path}, where the next run would take it for images; choose an --out "
                "elsewhere."
            )


def _beside(out: Path) -> Path:
    """Return the path that temporary names lie beside: a mount point cannot be renamed, and is written into."""
    return out / out.name if os.path.ismount(out) else out


def _own_names(out: Path) -> set[str]:
    """Return names inside a mount point that are this module's own."""
    if _beside(out) == out:
        return set()
    return {f".{out.name}.lock", *(path.name for path in leftovers(out, out.name))}


def _taken(out: Path, owner: str) -> ReportError:
    return ReportError(
        f"{owner} is writing a report at {out}; wait until it has ended, end it, or choose another --out."
    )


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"cannot write a report into {directory.parent}: {error.strerror}.") from error


def _set_aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.replaced")


def _move_in(temporary: Path, out: Path) -> None:
    if not out.exists():
        temporary.rename(out)
    elif _beside(out) == out:
        old = _set_aside(out)
        out.rename(old)
        temporary.rename(out)
        _name_kept(out, _keep_foreign(old, out))
    else:
        _move_into_mount(temporary, out)


def _keep_foreign(old: Path, out: Path) -> list[str]:
    """Move what no run wrote from an old report into the new one, then remove the old one; return the new names.

    The record goes last: where this is interrupted, it still says what is whose.
    """
    written = written_files(old) or {}
    kept = []
    for path in list(foreign_entries(old, written)):
        place = free_place(out / path.relative_to(old))
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
        kept.append(place.relative_to(out).as_posix())
    remove_listed(old, [*written, MANIFEST])
    return kept


def _move_into_mount(temporary: Path, out: Path) -> None:
    written = written_files(out) or {}
    foreign = set(foreign_entries(out, written))
    unlink_listed(out, [name for name in [*written, MANIFEST] if (out / name) not in foreign])
    kept = []
    for path in sorted(temporary.rglob("*"), key=lambda path: path.name == MANIFEST):
        place = out / path.relative_to(temporary)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            if os.path.lexists(place):
                place.rename(free_place(place))
                kept.append(place.relative_to(out).as_posix())
            path.rename(place)
    _name_kept(out, kept)


def _name_kept(out: Path, kept: list[str]) -> None:
    if kept:
        more = f" and {len(kept) - _SHOWN} more" if len(kept) > _SHOWN else ""
        logger.warning("%s keeps what no run wrote: %s%s.", out, ", ".join(kept[:_SHOWN]), more)


def _repair(out: Path, beside: Path) -> None:
    """Finish or undo what a killed run left, and remove its directory; nobody else is writing here.

    Raises:
        ReportError: If the earlier report was set aside and something else took its place.
    """
    old = _set_aside(out)
    if old.exists():
        if not out.exists():
            old.rename(out)
        elif written_files(out) is not None:
            _name_kept(out, _keep_foreign(old, out))
        else:
            raise ReportError(
                f"an interrupted run has set the report at {out} aside as {old}, and there is something else at {out} "
                "now; move one of them away."
            )
    for leftover in leftovers(beside.parent, out.name):
        remove(leftover)
