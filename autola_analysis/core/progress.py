"""Progress bars that appear only when there is something to wait for."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from autola_analysis.core.distributed import current
from autola_analysis.core.interrupts import raise_if_ended

SILENT_SECONDS = 2.0


class ProgressBar(tqdm):  # type: ignore[type-arg]
    """A bar at which an interrupt that was lost is raised again, whether it is shown or not."""

    monitor_interval = 0  # tqdm's thread shares a lock, and one that an interrupt leaves locked would hang the exit

    def update(self, n: float | None = 1) -> Any:
        """Note that `n` units more are done."""
        raise_if_ended()
        return super().update(n)


def progress_bar(total: int | None, what: str, unit: str = "img", quiet: bool = False) -> ProgressBar:
    """Return a bar with rate and time left that shows itself after two seconds, on standard error.

    Of processes that share a run, only the first shows one.

    Args:
        total: Number of units to come; None where that is not known.
        what: Label in front of the bar.
        unit: Name of one unit.
        quiet: Whether to show nothing at all.
    """
    return ProgressBar(
        total=total,
        desc=what,
        unit=unit,
        delay=SILENT_SECONDS,
        disable=quiet or not current().first,
        leave=False,
        dynamic_ncols=True,
    )
