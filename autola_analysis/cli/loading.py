"""Importing what a command needs, once its arguments are right."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from autola_analysis.core.progress import progress_bar


@contextmanager
def loading(what: str = "PyTorch", *, quiet: bool = True) -> Iterator[None]:
    """Import within, with a bar where it takes long.

    Garbage is not collected meanwhile, and never among what is there at the end: nearly all of it are modules, which
    stay, and Python would go through half a million objects again and again, a fifth of the time that imports take.

    Args:
        what: What the bar says is loaded.
        quiet: Whether there is no bar.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        with progress_bar(None, f"loading {what}", quiet=quiet):
            yield
    finally:
        if collects:
            gc.freeze()
            gc.enable()
