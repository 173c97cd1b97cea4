"""Tables for a paper: LaTeX with booktabs, every name escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from autola_analysis.core.tables import Table, has_table, read_table
from autola_analysis.core.text import interval_text
from autola_analysis.report.templating import format_cell

SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
    }
)


def escape(text: str) -> str:
    """Return a text as LaTeX that prints it."""
    return " ".join(text.split()).translate(SPECIAL)


def write_latex(directory: Path, tables: Sequence[Table]) -> None:
    """Write ``tables/<name>.tex`` beside the tables of a report that are declared as short enough for a paper."""
    for table in tables:
        if table.latex and has_table(directory, table.name):
            text = latex_table(read_table(directory, table), table)
            (directory / "tables" / f"{table.name}.tex").write_text(text, encoding="utf-8", errors="replace")


def latex_table(frame: pd.DataFrame, table: Table) -> str:
    """Return a table as a ``tabular``: an interval in one column, text to the left, missing numbers empty."""
    shown = _with_intervals(frame.drop(columns=list(table.not_printed)))
    alignment = "".join("l" if column in table.text else "r" for column in shown.columns)
    rows = [" & ".join(escape(format_cell(value)) for value in row) for row in shown.itertuples(index=False)]
    lines = [
        "% needs \\usepackage{booktabs}, and \\usepackage[T1]{fontenc} for quotation marks",
        f"\\begin{{tabular}}{{{alignment}}}",
        "\\toprule",
        " & ".join(escape(str(column)) for column in shown.columns) + r" \\",
        "\\midrule",
        *(rf"{row} \\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    if not {"ci_low", "ci_high"} <= set(table.columns):
        return table
    pairs = zip(table["ci_low"], table["ci_high"], strict=True)
    texts = [interval_text(low, high) for low, high in pairs]
    place = list(table.columns).index("ci_low")
    kept = table.drop(columns=["ci_low", "ci_high"])
    kept.insert(place, "95% interval", pd.Series(texts, index=table.index, dtype=object))
    return kept
