"""Numbers with intervals over images drawn again, as rows of tables and figures take them."""

from __future__ import annotations

import numpy as np

from autola_analysis.statistics.resampled import Resampled, resampled_interval


def triple(number: Resampled, bounded: bool = True) -> tuple[float, float, float]:
    """Return the mean over runs with both limits of its 95% interval.

    Args:
        number: Of some runs.
        bounded: Whether it is a share, whose limits are kept within 0 and 1.
    """
    low, high = resampled_interval([number])
    if bounded:
        low, high = np.clip((low, high), 0, 1)
    return float(number.values.mean()), float(low), float(high)


def estimate(number: Resampled, names: tuple[str, str, str], bounded: bool = True) -> dict[str, float]:
    """Return `triple` by the names of columns."""
    return dict(zip(names, triple(number, bounded), strict=True))
