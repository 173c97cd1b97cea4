"""A section of a report: what one analysis adds to the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """What one analysis adds to the page.

    Attributes:
        name: Short and unique in a page; its anchor.
        title: Heading.
        figures: Name of a figure in ``figures/`` -> its caption, which is its alternative text too.
        tables: Heading -> table.
        reading: Paragraphs on how to read the numbers; escaped unless they are `Markup`.
        body: Further HTML, shown after the figures.
    """

    name: str
    title: str
    figures: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    reading: Sequence[str] = ()
    body: Markup = field(default_factory=Markup)
