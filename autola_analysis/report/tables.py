"""Tables of a report: written as CSV, and read again as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from autola_analysis.core.errors import ReportError
from autola_analysis.core.text import interval_text

TEXT = frozenset(
    (
        "model", "run", "layer", "preferred_class", "image", "method", "status", "metric", "subset", "space",
        "randomised_to", "module", "gate", "analysis", "against", "statistic", "scope", "claim", "quote", "verdict",
        "runs",
    )
)  # fmt: skip
"""Columns of names: an empty field is an empty name there, and "None" a name like any other."""
WHOLE = frozenset(("label", "predicted", "target", "seed"))
"""Columns of whole numbers that may be missing."""


def write_table(directory: Path, name: str, table: pd.DataFrame) -> None:
    """Write ``tables/<name>.csv``."""
    folder = directory / "tables"
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False)


def has_table(directory: Path, name: str) -> bool:
    """Return whether there is ``tables/<name>.csv``."""
    return (directory / "tables" / f"{name}.csv").exists()


def read_table(directory: Path, name: str) -> pd.DataFrame:
    """Read what `write_table` wrote, to the last bit of every number.

    Raises:
        ReportError: If there is no such table.
    """
    path = directory / "tables" / f"{name}.csv"
    if not path.exists():
        raise ReportError(f"there is no tables/{name}.csv in the report; run the analysis again.")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table.columns:
        if column not in TEXT:
            table[column] = _values(table[column])
    return table.astype({column: "Int64" for column in table.columns if column in WHOLE})


def _values(texts: pd.Series[str]) -> pd.Series[Any]:
    """Return whole numbers, truth values or numbers; pandas' own reader rounded the last bit in some versions."""
    if texts.str.fullmatch(r"-?\d+").all():
        return texts.astype("int64")
    if texts.isin(("True", "False")).all():
        return texts == "True"
    return pd.Series([float(text or "nan") for text in texts], index=texts.index, dtype=float)


def rows_of(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    """Return the rows with the given values, numbered anew."""
    chosen = pd.Series(True, index=table.index)
    for column, value in values.items():
        chosen &= table[column] == value
    return table[chosen].reset_index(drop=True)


def side_by_side(table: pd.DataFrame, index: Sequence[str], column: str, value: str) -> pd.DataFrame:
    """Return a long table as a wide one for the eye: a column per name in `column`, each value with its interval.

    Args:
        table: With ``ci_low`` and ``ci_high``.
        index: Columns that name a row.
        column: Column whose names become columns.
        value: Column of the values.
    """
    texts = [
        "" if number != number else f"{number:.4f} {interval_text(low, high)}".rstrip()
        for number, low, high in zip(table[value], table["ci_low"], table["ci_high"], strict=True)
    ]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for (*names, name), text in zip(table[[*index, column]].itertuples(index=False), texts, strict=True):
        rows.setdefault(tuple(map(str, names)), {}).setdefault(str(name), text)
    wide = [dict(zip(index, names, strict=True)) | cells for names, cells in rows.items()]
    return pd.DataFrame(wide, columns=[*index, *dict.fromkeys(table[column])]).fillna("")
