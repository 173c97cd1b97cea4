"""From tables and arrays to a whole report: figures, page, run record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autola_analysis.report.accuracy import read_accuracy
from autola_analysis.report.embedding import embedding_section, read_embeddings
from autola_analysis.report.gates import gates_section, read_gates
from autola_analysis.report.page import write_page
from autola_analysis.report.record import new_record, write_record
from autola_analysis.report.saliency import read_saliency, saliency_section
from autola_analysis.report.sanity import read_sanity, sanity_section
from autola_analysis.report.section import Section
from autola_analysis.report.selectivity import read_selectivity, selectivity_section


@dataclass(frozen=True)
class Layout:
    """What a report shows, and how; kept in ``run.json``, so that it can be drawn again.

    Attributes:
        title: Heading of the page.
        data: What the networks were run on, for captions and page ("cifar10, test split"); a section whose options
            hold ``data`` was run on other images.
        width: Of the figures: "neurips", "cvpr", "column" or inches.
        sections: Names of `SECTIONS`, each with its options for drawing.
    """

    title: str
    data: str
    width: str | float = "neurips"
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Draw = Callable[[Path, str, str | float, Mapping[str, Any]], Section]


def _selectivity(directory: Path, data: str, width: str | float, options: Mapping[str, Any]) -> Section:
    return selectivity_section(directory, read_selectivity(directory), data, width)


def _saliency(directory: Path, data: str, width: str | float, options: Mapping[str, Any]) -> Section:
    return saliency_section(directory, read_saliency(directory), data, width, **options)


def _embedding(directory: Path, data: str, width: str | float, options: Mapping[str, Any]) -> Section:
    return embedding_section(directory, read_embeddings(directory), data, width, **options)


def _gates(directory: Path, data: str, width: str | float, options: Mapping[str, Any]) -> Section:
    return gates_section(directory, read_gates(directory), data, width)


def _sanity(directory: Path, data: str, width: str | float, options: Mapping[str, Any]) -> Section:
    return sanity_section(directory, read_sanity(directory), data, width)


SECTIONS: Mapping[str, Draw] = {
    "selectivity": _selectivity,
    "saliency": _saliency,
    "embedding": _embedding,
    "gates": _gates,
    "sanity": _sanity,
}
"""Sections by name, in the order of the page; each reads its tables and arrays and draws its figures."""


def complete_report(directory: Path, layout: Layout, facts: Mapping[str, Any], warnings: Sequence[str]) -> None:
    """Draw a report whose tables and arrays are written, and write its page and, last, its record.

    Args:
        directory: The report under construction; each section's ``write_...`` and `write_accuracy` have been called.
        layout: What to draw.
        facts: For ``run.json``: analysis, models, data, settings, seeds, passes.
        warnings: Sentences that a reader must know.

    Raises:
        ReportError: If a table or an array of a section is missing.
    """
    record = new_record(facts, warnings)
    draw_report(directory, layout, record)
    write_record(directory, {**record, "layout": asdict(layout)})


def draw_report(directory: Path, layout: Layout, record: Mapping[str, Any]) -> None:
    """Draw figures and page from the tables and arrays in a directory and a run record."""
    sections = []
    for name, draw in SECTIONS.items():
        if name in layout.sections:
            options = {"data": layout.data, **layout.sections[name]}
            sections.append(draw(directory, options.pop("data"), layout.width, options))
    write_page(
        directory,
        title=layout.title,
        sections=sections,
        accuracy=read_accuracy(directory),
        warnings=record["warnings"],
    )
