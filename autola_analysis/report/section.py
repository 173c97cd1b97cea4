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
        headline: What the page opens with; empty for nothing.
        body: HTML that comes first.
        figures: Name of a figure in ``figures/`` -> its caption, which is its alternative text too.
        tables: Heading -> table.
        reading: Paragraphs on how to read the numbers; escaped unless they are `Markup`.
        scripts: JavaScript that the body needs, in order.
        limits: Sentences on what the numbers cannot say, for the end of the page.
        methods: What a paper says of how the numbers came about, with citations as ``[@key]``.
        references: BibTeX entries of the works that `methods` cites, by key.
    """

    name: str
    title: str
    headline: str = ""
    body: Markup = field(default_factory=Markup)
    figures: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    reading: Sequence[str] = ()
    scripts: Sequence[Markup] = ()
    limits: Sequence[str] = ()
    methods: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
