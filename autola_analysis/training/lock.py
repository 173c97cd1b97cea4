"""One process at a time trains into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autola_analysis.core.errors import TrainingError
from autola_analysis.core.locks import locked

LOCK = "lock"


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; it is made where there is none.

    Raises:
        TrainingError: If another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def refusal(owner: str) -> TrainingError:
        return TrainingError(
            f"{owner} is training into {folder} already; wait until it has ended, end it, or choose another --out."
        )

    with locked(folder / LOCK, refusal):
        yield
