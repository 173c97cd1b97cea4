"""index.html: one self-contained page, no network, every name escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined


def write_page(
    directory: Path,
    *,
    title: str,
    figures: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    reading: Sequence[str],
    warnings: Sequence[str],
) -> None:
    """Write ``index.html`` with figures and tables.

    Args:
        directory: The report; ``figures/<name>.png`` are embedded.
        title: Heading.
        figures: Name of a figure -> its caption, which is its alternative text too.
        tables: Heading -> table.
        reading: Paragraphs on how to read the numbers; escaped unless they are `Markup`.
        warnings: Shown at the top.
    """
    environment = Environment(
        loader=PackageLoader("autola_analysis.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pictures = [
        (base64.b64encode((directory / "figures" / f"{name}.png").read_bytes()).decode(), caption)
        for name, caption in figures.items()
    ]
    html = environment.get_template("report.html.j2").render(
        title=title, pictures=pictures, tables=tables, reading=reading, warnings=warnings, cell=format_cell
    )
    (directory / "index.html").write_text(html, encoding="utf-8")


def format_cell(value: object) -> str:
    """Return a table cell as text: four digits behind the point, thousands separated, nothing for missing."""
    if value is pd.NA or value is None:
        return ""
    if isinstance(value, float):
        return "" if value != value else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
