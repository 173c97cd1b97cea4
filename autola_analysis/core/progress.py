"""Progress bars that appear only when there is something to wait for."""

from __future__ import annotations

from tqdm import tqdm

from autola_analysis.core.processes import current

SILENT_SECONDS = 2.0


def progress_bar(total: int | None, what: str, unit: str = "img", quiet: bool = False) -> tqdm:  # type: ignore[type-arg]
    """Return a bar with rate and time left that shows itself after two seconds, on standard error.

    Of processes that share a run, only the first shows one.

    Args:
        total: Number of units to come; None where that is not known.
        what: Label in front of the bar.
        unit: Name of one unit.
        quiet: Whether to show nothing at all.
    """
    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        delay=SILENT_SECONDS,
        disable=quiet or not current().first,
        leave=False,
        dynamic_ncols=True,
    )
