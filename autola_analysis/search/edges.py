"""What a search has decided about every edge, and how firmly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.attention.genotype import STANDARD_EDGES
from autola_analysis.search.derivation import NOTHING
from autola_analysis.search.history import entropy, softmax

LAST_EPOCHS = 5
"""Epochs at the end of a search whose margins say how noisy a margin is."""
FIRM = 2.0
"""A margin below this many standard deviations of itself decides nothing."""


def edge_rows(alphas: NDArray[np.float64], operations: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row per edge: the strongest operation, the next, the margin between them, and since when it stands.

    ``none`` is left out of the choice. An edge is undecided where its margin at the end is below twice the standard
    deviation of that margin over the last five epochs, or where there are too few epochs to know.

    Args:
        alphas: ``(epochs + 1, 10, operations)``.
        operations: Names of the columns.
    """
    weights = softmax(alphas)
    names = [name for name in operations if name != NOTHING]
    allowed = weights[..., [operations.index(name) for name in names]]
    first = allowed.argmax(-1)
    second = np.argsort(-allowed[-1], axis=-1, kind="stable")[:, 1]
    rows = []
    for row, (node, source) in enumerate(STANDARD_EDGES):
        best, other = int(first[-1, row]), int(second[row])
        margins = _margins(allowed[1:, row], best)
        deviation = float(margins[-LAST_EPOCHS:].std(ddof=1)) if len(margins) >= LAST_EPOCHS else float("nan")
        margin = float(allowed[-1, row, best] - allowed[-1, row, other])
        changes = np.flatnonzero(first[:, row] != best)
        rows.append(
            {
                "node": node,
                "source": source,
                "operation": names[best],
                "weight": float(allowed[-1, row, best]),
                "runner_up": names[other],
                "runner_up_weight": float(allowed[-1, row, other]),
                "margin": margin,
                "margin_std": deviation,
                "none_weight": float(weights[-1, row, operations.index(NOTHING)]),
                "entropy": float(entropy(weights[-1, row])),
                "stable_since": int(changes[-1]) + 1 if len(changes) else 0,
                "decided": bool(margin >= FIRM * deviation),
            }
        )
    return rows


def _margins(weights: NDArray[np.float64], best: int) -> NDArray[np.float64]:
    """Return by how much an operation led the strongest other one, per epoch."""
    others = np.delete(weights, best, axis=-1)
    margins: NDArray[np.float64] = weights[:, best] - others.max(-1)
    return margins
