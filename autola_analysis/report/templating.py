"""Filling templates: every value is escaped unless it is markup already."""

from __future__ import annotations

from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, package: str | None = None, **values: Any) -> Markup:
    """Return a template filled with values.

    Args:
        template: Name of the file.
        package: Package whose folder holds it; None takes the templates of a report.
        values: What the template is filled with.
    """
    environment = Environment(
        loader=_loader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = format_cell
    environment.filters["breakable"] = breakable
    return Markup(environment.get_template(template).render(**values))


def raw(file: str, package: str | None = None) -> Markup:
    """Return a file beside the templates as it is: style sheet, script.

    Args:
        file: Its name.
        package: Package whose folder holds it; None takes the templates of a report.
    """
    return Markup(_loader(package).get_source(Environment(autoescape=True), file)[0])


def _loader(package: str | None) -> PackageLoader:
    return PackageLoader("autola_analysis.report") if package is None else PackageLoader(package, ".")


def breakable(name: object) -> Markup:
    """Return the name of a column that may be broken behind an underscore, where the paper is narrow."""
    return Markup("_<wbr>").join(str(name).split("_"))


def format_cell(value: object) -> str:
    """Return a table cell as text: four decimal digits, thousands separated, yes or no, nothing for missing."""
    if value is pd.NA or value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if value != value else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
