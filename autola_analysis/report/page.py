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
    figure: str,
    caption: str,
    tables: Mapping[str, pd.DataFrame],
    warnings: Sequence[str],
) -> None:
    """Write ``index.html`` with one figure and some tables.

    Args:
        directory: The report; ``figures/<figure>.png`` is embedded.
        title: Heading.
        figure: Name of the figure.
        caption: Below the figure, and its alternative text.
        tables: Heading -> table.
        warnings: Shown at the top.
    """
    environment = Environment(
        loader=PackageLoader("autola_analysis.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    image = base64.b64encode((directory / "figures" / f"{figure}.png").read_bytes()).decode()
    html = environment.get_template("report.html.j2").render(
        title=title, image=image, caption=caption, tables=tables, warnings=warnings, cell=format_cell
    )
    (directory / "index.html").write_text(html, encoding="utf-8")


def format_cell(value: object) -> str:
    """Return a table cell as text: four digits behind the point, thousands separated, nothing for missing."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
