"""Tables as CSV: their columns are declared, so that a table is read as it was written.

pandas is imported when a table is read or written: a declaration alone must stay light.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autola_analysis.core.columns import Column, Kind
from autola_analysis.core.errors import ReportError
from autola_analysis.core.text import interval_text

if TYPE_CHECKING:
    import pandas as pd


FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet takes for a formula, behind quotes too, so that quoting can be undone."""


@dataclass(frozen=True)
class Table:
    """The declaration of a table.

    Attributes:
        name: Of the file ``tables/<name>.csv``.
        columns: In order; a frame may have further columns behind them, which hold numbers.
        latex: Whether the table is short enough for a paper and is written as LaTeX too.
        optional: Whether a result may have no such table.
        not_printed: Columns that the LaTeX table leaves out.
    """

    name: str
    columns: tuple[Column, ...]
    latex: bool = False
    optional: bool = False
    not_printed: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]

    @property
    def text(self) -> frozenset[str]:
        """Names of the columns that hold text."""
        return frozenset(column.name for column in self.columns if column.kind in ("text", "image"))

    def frame(self, rows: Sequence[Any] = ()) -> pd.DataFrame:
        """Return rows as a frame with the declared columns."""
        import pandas as pd

        return pd.DataFrame(list(rows), columns=self.names)


def write_table(directory: Path, table: Table, frame: pd.DataFrame) -> None:
    """Write ``tables/<name>.csv`` into a directory.

    Raises:
        ReportError: If the frame lacks a declared column.
    """
    missing = [name for name in table.names if name not in frame.columns]
    if missing:
        raise ReportError(f"the table {table.name!r} lacks its declared column {missing[0]!r}.")
    folder = directory / "tables"
    folder.mkdir(exist_ok=True)
    quoted = frame.map(lambda value: inert(value) if isinstance(value, str) else value)
    quoted.rename(columns=inert).to_csv(folder / f"{table.name}.csv", index=False)


def inert(text: str) -> str:
    """Return a text for a cell that a spreadsheet does not take for a formula: behind a quote where it would be one."""
    return f"'{text}" if FORMULA.match(text) and not _is_number(text) else text


def read_inert(text: str) -> str:
    """Return the text that `inert` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("-", "+")
    return True


def has_table(directory: Path, name: str) -> bool:
    """Return whether a directory holds ``tables/<name>.csv``."""
    return (directory / "tables" / f"{name}.csv").exists()


def read_table(directory: Path, table: Table) -> pd.DataFrame:
    """Read what `write_table` wrote, to the last bit of every number.

    Raises:
        ReportError: If there is no such table, a declared column is missing, or a value is not of its column's kind.
    """
    path = directory / "tables" / f"{table.name}.csv"
    if not path.exists():
        raise ReportError(f"there is no tables/{table.name}.csv in the report; run the analysis again.")
    frame = _texts(path).map(read_inert).rename(columns=read_inert)
    kinds = {column.name: column.kind for column in table.columns}
    missing = [name for name in kinds if name not in frame.columns]
    if missing:
        raise ReportError(f"tables/{table.name}.csv has no column {missing[0]!r}; run the analysis again.")
    for name in frame.columns:
        try:
            frame[name] = _values(frame[name], kinds.get(name, "number"))
        except ValueError as error:
            raise ReportError(f"tables/{table.name}.csv, column {name!r}: {error}; run the analysis again.") from error
    return frame


def _texts(path: Path) -> pd.DataFrame:
    """Return a CSV file with every cell as text."""
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ReportError(f"tables/{path.name} is damaged ({text}); run the analysis again.") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise ReportError(f"tables/{path.name} is damaged (a row is longer than the header); run the analysis again.")
    return frame


def _values(texts: pd.Series[str], kind: Kind) -> pd.Series[Any]:
    """Return the values of a column; pandas' own reader rounded the last bit of numbers in some versions."""
    import pandas as pd

    if kind in ("text", "image"):
        return texts
    if kind == "count":
        return texts.astype("int64")
    if kind == "whole":
        return pd.Series([int(text) if text else None for text in texts], index=texts.index, dtype="Int64")
    if kind == "flag":
        if not texts.isin(("True", "False")).all():
            raise ValueError("a flag is True or False")
        return texts == "True"
    return pd.Series([float(text or "nan") for text in texts], index=texts.index, dtype=float)


def rows_of(frame: pd.DataFrame, **values: str) -> pd.DataFrame:
    """Return the rows with the given values, numbered anew."""
    import pandas as pd

    chosen = pd.Series(True, index=frame.index)
    for column, value in values.items():
        chosen &= frame[column] == value
    return frame[chosen].reset_index(drop=True)


def side_by_side(frame: pd.DataFrame, index: Sequence[str], column: str, value: str) -> pd.DataFrame:
    """Return a long table as a wide one for the eye: a column per name in `column`, each value with its interval.

    Args:
        frame: With ``ci_low`` and ``ci_high``.
        index: Columns that name a row.
        column: Column whose names become columns.
        value: Column of the values.
    """
    import pandas as pd

    texts = [
        "" if number != number else f"{number:.4f} {interval_text(low, high)}".rstrip()
        for number, low, high in zip(frame[value], frame["ci_low"], frame["ci_high"], strict=True)
    ]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for (*names, name), cell in zip(frame[[*index, column]].itertuples(index=False), texts, strict=True):
        rows.setdefault(tuple(map(str, names)), {}).setdefault(str(name), cell)
    wide = [dict(zip(index, names, strict=True)) | cells for names, cells in rows.items()]
    return pd.DataFrame(wide, columns=[*index, *dict.fromkeys(frame[column])]).fillna("")
