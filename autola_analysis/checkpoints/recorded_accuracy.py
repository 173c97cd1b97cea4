"""The accuracy that a checkpoint file records, as training scripts write it beside the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

MEASURES = ("accuracy", "acc", "acc1", "prec1", "top1")
BEFORE = ("", "best_", "val_", "test_", "best_val_", "best_test_")
KEYS = {before + measure for before in BEFORE for measure in MEASURES}
"""Names of top-1 accuracy in the checkpoints of public training scripts ("best_prec1", "best_acc1")"""


def recorded_accuracy(metrics: Mapping[str, Any], leftovers: Iterable[str]) -> float | None:
    """Return the top-1 accuracy that a file records, as a share; None where it records none.

    Args:
        metrics: Recorded in files of our own, by name.
        leftovers: What else lay beside the weights, as "name: value".
    """
    beside = (line.rpartition(": ") for line in leftovers)
    for name, value in (*metrics.items(), *((name, value) for name, _, value in beside)):
        if name.lower() in KEYS and (share := _share(value)) is not None:
            return share
    return None


def _share(value: Any) -> float | None:
    """Return a share of what was written as one or in per cent; None for what is neither."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or not 0 < number <= 100:
        return None
    return number if number <= 1 else number / 100
