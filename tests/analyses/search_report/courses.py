"""Searches as folders hold them, without having been run."""

import numpy as np
import pandas as pd

from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.search.edges import edge_rows
from autola_analysis.search.health import warnings_of
from autola_analysis.search.history import History
from autola_analysis.search.result import EPOCHS_TABLE, GAPS_TABLE, SearchResult

NAMES = tuple(OPERATIONS.names())
NUMBERS = {name: 0.5 for name in EPOCHS_TABLE.names if name not in ("epoch", "entropy", "changed")}


def a_search(seed: int = 0, epochs: int = 6, drift: float = 1.0, operations: tuple[str, ...] = NAMES) -> SearchResult:
    """A search whose edges drift towards operations of their own, with noise.

    Args:
        seed: Of both.
        epochs: How many.
        drift: Of the strongest logit per epoch; 0 leaves noise alone.
        operations: Names of the columns.
    """
    import torch

    generator = np.random.default_rng(seed)
    favourites = generator.integers(1, len(operations), 10)
    steps = generator.normal(0, 0.1, (epochs, 10, len(operations)))
    steps[:, np.arange(10), favourites] += drift
    alphas = np.concatenate([np.zeros((1, 10, len(operations))), np.cumsum(steps, 0)])
    history = History()
    history.add(torch.from_numpy(alphas[0]))
    for alpha in alphas[1:]:
        history.add(torch.from_numpy(alpha), NUMBERS)
    rows = [{"epoch": number, **row} for number, row in enumerate(history.epochs, start=1)]
    table = pd.DataFrame(rows, columns=EPOCHS_TABLE.names)
    gaps = GAPS_TABLE.frame([["mixture", 0.7, 0.6, 0.8, 100], ["inherited", 0.4, 0.3, 0.5, 100]])
    settings = {"name": "short", "backbone": "resnet8", "order": 1, "seed": seed, "operations": list(operations)}
    warnings = warnings_of(pd.DataFrame(edge_rows(alphas, operations)), table.assign(clipped=0), 9.0, 8)
    return SearchResult(alphas, operations, table, gaps, settings, warnings)
