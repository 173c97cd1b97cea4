"""How far several searches found the same wiring, beside what chance gives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from autola_analysis.attention.genotype import EDGES, RELEASED, STANDARD_EDGES, Genotype
from autola_analysis.core.columns import count, number, text
from autola_analysis.core.errors import OptionError
from autola_analysis.core.tables import Table
from autola_analysis.search.derivation import NOTHING
from autola_analysis.search.result import SearchResult

RELEASED_NAME = "released"
"""What the wiring that the AutoLA authors released is called beside searches."""
AGREEMENT_TABLE = Table(
    "search_agreement",
    (
        text("search", "name of the search"),
        text("against", f"name of another search, or {RELEASED_NAME}: the wiring that the authors released"),
        count("equal_edges", f"of {EDGES}, with the same operation in both"),
        number("probability", "of as many equal edges or more between two wirings drawn uniformly"),
    ),
)


def compare_searches(results: Sequence[SearchResult], names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return how many edges each pair of searches shares, and each search with the released wiring.

    Two wirings that are drawn uniformly share an edge with probability one over the number of operations that can be
    chosen, so that their number of equal edges is binomial.

    Args:
        results: Of the searches.
        names: What the searches are called; None takes recipe, order and seed.

    Returns:
        A row per pair, with the columns ``search``, ``against``, ``equal_edges`` (of ten) and ``probability``.

    Raises:
        OptionError: If there is no search, or two have one name.
    """
    chance = 1 / len(choices(results))
    names = _names(results, names)
    wirings = [*zip(names, (result.genotype for result in results), strict=True), (RELEASED_NAME, RELEASED)]
    rows = []
    for (name, wiring), (other, against) in combinations(wirings, 2):
        equal = wiring.agreement(against)
        rows.append((name, other, equal, float(binom.sf(equal - 1, EDGES, chance))))
    return AGREEMENT_TABLE.frame(rows)


def choices(results: Sequence[SearchResult]) -> tuple[str, ...]:
    """Return the operations that searches choose from, which is all but ``none``.

    Raises:
        OptionError: If the searches choose from different operations.
    """
    found = dict.fromkeys(tuple(name for name in result.operations if name != NOTHING) for result in results)
    if len(found) != 1:
        spaces = "; ".join(", ".join(names) for names in found) or "there is no search"
        raise OptionError(f"searches are compared that choose from the same operations; found {spaces}.")
    return next(iter(found))


def chosen_counts(wirings: Sequence[Genotype], operations: Sequence[str]) -> NDArray[np.int64]:
    """Return how often an operation was chosen on an edge, ``(10, operations)``, rows as `STANDARD_EDGES`."""
    counts = np.zeros((EDGES, len(operations)), dtype=np.int64)
    for wiring in wirings:
        for node, edges in enumerate(wiring.nodes(), start=1):
            for operation, source in edges:
                counts[STANDARD_EDGES.index((node, source)), operations.index(operation)] += 1
    return counts


def _names(results: Sequence[SearchResult], names: Sequence[str] | None) -> list[str]:
    settings = [result.settings for result in results]
    found = list(names or [f"{each['name']} order {each['order']} seed {each['seed']}" for each in settings])
    if len(found) != len(results) or len(set(found)) < len(found):
        raise OptionError(
            f"every search needs a name of its own; found {', '.join(found)} for {len(results)} searches."
        )
    return found
