"""The embedded data as files, a folder that appears whole or not at all, so that other tools can be run on them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from autola_analysis.core.entries import content_of, is_sound, seal
from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.core.files import (
    clear_leftovers,
    expanded,
    remove,
    temporary_beside,
    temporary_directory,
    without_empty_parents,
)
from autola_analysis.core.interrupts import uninterrupted
from autola_analysis.data.cluttered_digits import ClutteredDigits
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.coco_export import export_coco
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.data.masked_objects import MaskedObjects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.open import open_source
from autola_analysis.data.open_objects import open_objects

EMBEDDED = (ClutteredScenes.name, DigitPuppets.name, ClutteredDigits.name)
"""Data that are made on the spot"""


def embedded_objects(name: str, split: str = "test", limit: int | None = None) -> ObjectSource:
    """Return embedded data as images with objects.

    Args:
        name: One of `EMBEDDED`; the digits of ``cluttered-digits`` become objects.
        split: "train" or "test".
        limit: Number of images, drawn at random; None takes all.

    Raises:
        UnknownNameError: If there are no such embedded data.
        OptionError: If the split or the limit is not possible.
    """
    if name not in EMBEDDED:
        raise UnknownNameError(f"data that are made on the spot are {', '.join(EMBEDDED)}; found {name!r}.")
    if name == ClutteredDigits.name:
        return MaskedObjects(open_source(name, split=split, limit=limit))
    return open_objects(name, split=split, limit=limit)


def export_embedded(
    source: ObjectSource, out: str | Path, *, overwrite: bool = False, progress: Callable[[int], object] | None = None
) -> Path:
    """Write embedded data as PNG files and a file in COCO's format, see `export_coco`; after an exception nothing.

    Args:
        source: The data.
        out: The folder that is made.
        overwrite: Whether an earlier export in its place is replaced.
        progress: Called with 1 after every image.

    Returns:
        The file of annotations.

    Raises:
        OptionError: If something is at `out`, but for an earlier export that is to be replaced.
    """
    out = Path(os.path.realpath(expanded(out)))  # a link to a folder elsewhere stays a link
    check_place(out, overwrite)
    with without_empty_parents(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(out)
        with temporary_directory(out) as folder:
            path = export_coco(source, folder, progress)
            seal(folder, {"export": source.name, "split": source.split, "images": len(source)})
            with uninterrupted():
                check_place(out, overwrite)  # something may have come to be there meanwhile
                _move_in(folder, out)
    return out / path.relative_to(folder)


def check_place(out: Path, overwrite: bool) -> None:
    """Refuse a place that is taken; what an export did not write is never removed.

    Raises:
        OptionError: If something is there, but for an empty folder, or an untouched export that is to be replaced.
    """
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise OptionError(f"{out} is a file; --out names a folder.")
    if "export" not in (content_of(out) or {}):
        raise OptionError(f"{out} holds files that no export wrote; choose another --out.")
    if not overwrite:
        raise OptionError(f"{out} holds an export already; give --overwrite to replace it, or another --out.")
    if not is_sound(out):
        raise OptionError(f"{out} holds an export to which something was done since; move it away.")


def _move_in(folder: Path, out: Path) -> None:
    if not out.exists():
        folder.rename(out)
        return
    old = temporary_beside(out)
    out.rename(old)
    folder.rename(out)
    remove(old)
