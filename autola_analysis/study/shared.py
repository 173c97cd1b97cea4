"""What several processes do together in a command, and what the first does alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autola_analysis.core.processes import current
from autola_analysis.report.directory import report_directory


@contextmanager
def report_of_first(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield the report directory, see `report_directory`, in the first process only; the others must write nothing.

    They end with ``current().leave_to_first()`` when all that is done together is done.
    """
    if current().first:
        with report_directory(out, overwrite) as directory:
            yield directory
    else:
        yield out
