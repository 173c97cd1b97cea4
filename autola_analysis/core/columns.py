"""Columns of tables: what a value is, and the columns that most tables have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "image", "number", "count", "whole", "flag"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: As it stands in the CSV file.
        kind: "text"; "image", the name of an image; "number", which may be missing; "count", a whole number that is
            always there; "whole", one that may be missing; "flag", True or False.
        meaning: What the values are, with their unit.
    """

    name: str
    kind: Kind
    meaning: str = ""


def text(name: str, meaning: str = "") -> Column:
    """Return a column of text."""
    return Column(name, "text", meaning)


def number(name: str, meaning: str = "") -> Column:
    """Return a column of numbers, which may be missing."""
    return Column(name, "number", meaning)


def count(name: str, meaning: str = "") -> Column:
    """Return a column of whole numbers, none of which is missing."""
    return Column(name, "count", meaning)


MODEL = (text("model", "name of the variant"), text("run", "training run within the variant"))
"""Columns that say which network a row is about."""
ITEMS = text("items", "what is looked at: images or objects")
"""Column that says what a network was measured on."""
INTERVAL = (number("ci_low", "lower limit of the 95% interval"), number("ci_high", "upper limit of the 95% interval"))
