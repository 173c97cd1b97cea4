"""index.html: one self-contained page, no network, every name escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from autola_analysis.report.section import Section


def write_page(
    directory: Path,
    *,
    title: str,
    sections: Sequence[Section],
    accuracy: pd.DataFrame,
    warnings: Sequence[str],
) -> None:
    """Write ``index.html`` with the sections in the given order.

    Args:
        directory: The report; ``figures/<name>.png`` are embedded.
        title: Heading.
        sections: What the analyses add.
        accuracy: Table of accuracy and cost.
        warnings: Shown at the top.
    """
    environment = Environment(
        loader=PackageLoader("autola_analysis.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pictures = {
        name: base64.b64encode((directory / "figures" / f"{name}.png").read_bytes()).decode()
        for section in sections
        for name in section.figures
    }
    html = environment.get_template("report.html.j2").render(
        title=title, sections=sections, pictures=pictures, accuracy=accuracy, warnings=warnings, cell=format_cell
    )
    # A file name that is no UTF-8 has no character; its number is written then.
    (directory / "index.html").write_bytes(html.encode("utf-8", "xmlcharrefreplace"))


def format_cell(value: object) -> str:
    """Return a table cell as text: four digits behind the point, thousands separated, nothing for missing."""
    if value is pd.NA or value is None:
        return ""
    if isinstance(value, float):
        return "" if value != value else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
