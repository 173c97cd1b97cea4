"""What a search has come to that has not ended: it runs, was killed, or met a number that is not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autola_analysis.checkpoints.reading import read_checkpoint
from autola_analysis.core.errors import DataError
from autola_analysis.core.reading import json_of, read_text
from autola_analysis.search.edges import edge_rows
from autola_analysis.search.health import warnings_of
from autola_analysis.search.history import History
from autola_analysis.search.result import EPOCHS_TABLE, GAPS_TABLE, SearchResult

SETTINGS, STATE = "settings.json", "last.ckpt"
"""Files of a state, as in `training.state`, which needs lightning."""


def any_search(folder: Path) -> SearchResult:
    """Return the search in a folder: one that has ended, or the state of one that has not (``OUT.search``).

    Raises:
        DataError: If the folder holds neither.
    """
    return unfinished_search(folder) if (folder / STATE).exists() else SearchResult.load(folder)


def unfinished_search(folder: Path) -> SearchResult:
    """Return what a search has come to by its last whole epoch, without accuracy on the test split.

    Args:
        folder: Of its state, ``OUT.search``.

    Raises:
        DataError: If the folder does not hold the state of a search.
    """
    try:
        settings = json_of(read_text(folder / SETTINGS))
        content: Any = read_checkpoint(folder / STATE).content
        history = History.of_state(content["history"])
        alphas = np.stack(history.alphas)
        steps = int(next(iter(content["optimizer_states"][1]["state"].values()))["step"])
        operations, asked = tuple(settings["operations"]), int(settings["epochs"])
        travel = steps * float(settings["alpha_learning_rate"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, StopIteration) as error:
        raise DataError(f"{folder} does not hold the state of a search; search again into another --out.") from error
    rows = [{"epoch": number, **row} for number, row in enumerate(history.epochs, start=1)]
    epochs = pd.DataFrame(rows, columns=EPOCHS_TABLE.names)
    edges = pd.DataFrame(edge_rows(alphas, operations))
    ended = f"the search has not ended: this is what it had come to by epoch {len(epochs)} of {asked}."
    warnings = warnings_of(edges, epochs, travel, len(operations) - 1)
    return SearchResult(alphas, operations, epochs, GAPS_TABLE.frame(), settings, (ended, *warnings))
