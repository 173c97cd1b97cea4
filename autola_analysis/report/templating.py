"""Filling templates: every value is escaped unless it is markup already."""

from __future__ import annotations

from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> Markup:
    """Return a template of this package filled with values."""
    environment = Environment(
        loader=PackageLoader("autola_analysis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = format_cell
    return Markup(environment.get_template(template).render(**values))


def raw(template: str) -> Markup:
    """Return a file beside the templates as it is: style sheet, script."""
    environment = Environment(loader=PackageLoader("autola_analysis.report"), autoescape=True)
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, template)[0])


def format_cell(value: object) -> str:
    """Return a table cell as text: four digits behind the point, thousands separated, nothing for missing."""
    if value is pd.NA or value is None:
        return ""
    if isinstance(value, float):
        return "" if value != value else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
