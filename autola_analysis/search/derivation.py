"""From the weights of a mixture to a wiring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autola_analysis.attention.genotype import NODES, Genotype, edge_row
from autola_analysis.attention.operations import OPERATIONS

NOTHING = "none"
"""The operation that lets nothing pass, which is never chosen."""


def strongest(weights: NDArray[np.floating], operations: Sequence[str] | None = None) -> Genotype:
    """Return the wiring of the strongest operations, as the AutoLA authors derive it.

    Every edge is kept, with its largest weight other than that of ``none``; of equal ones the first is taken. The edges
    of a node are ordered by these weights, the strongest first, equal ones by their sources.

    Args:
        weights: ``(10, operations)``, rows in the order of `STANDARD_EDGES`.
        operations: Names of the columns; None for those of `OPERATIONS`.
    """
    names = list(operations or OPERATIONS)
    allowed = np.array(weights, dtype=np.float64)
    allowed[:, names.index(NOTHING)] = -np.inf
    chosen, strength = allowed.argmax(1), allowed.max(1)
    edges: list[tuple[str, int]] = []
    for node in range(1, NODES + 1):
        rows = [(-strength[edge_row(node, source)], source) for source in range(node)]
        edges += [(names[chosen[edge_row(node, source)]], source) for _, source in sorted(rows)]
    return Genotype(tuple(edges))
