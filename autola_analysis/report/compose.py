"""From tables and arrays to a whole report: figures, page, run record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autola_analysis.report.accuracy import read_accuracy
from autola_analysis.report.anonymous import anonymous_record
from autola_analysis.report.claims import claims_section, read_comparison
from autola_analysis.report.embedding import embedding_section, read_embeddings
from autola_analysis.report.gates import gates_section, read_gates
from autola_analysis.report.latex import write_latex
from autola_analysis.report.methods import networks_paragraph
from autola_analysis.report.page import write_page
from autola_analysis.report.record import new_record, write_record
from autola_analysis.report.references import bibliography
from autola_analysis.report.saliency import read_saliency, saliency_section
from autola_analysis.report.sanity import read_sanity, sanity_section
from autola_analysis.report.section import Section
from autola_analysis.report.selectivity import read_selectivity, selectivity_section
from autola_analysis.report.thumbnails import Thumbnails, read_thumbnails
from autola_analysis.report.units import read_units, units_section


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


@dataclass(frozen=True)
class _Sheet:
    """What a section is drawn from, and how."""

    directory: Path
    data: str
    width: str | float
    thumbnails: Thumbnails
    options: Mapping[str, Any]


def _comparison(sheet: _Sheet) -> Section:
    return claims_section(sheet.directory, *read_comparison(sheet.directory), sheet.width)


def _selectivity(sheet: _Sheet) -> Section:
    return selectivity_section(sheet.directory, read_selectivity(sheet.directory), sheet.data, sheet.width)


def _units(sheet: _Sheet) -> Section:
    return units_section(read_selectivity(sheet.directory), *read_units(sheet.directory), sheet.thumbnails)


def _saliency(sheet: _Sheet) -> Section:
    result = read_saliency(sheet.directory)
    return saliency_section(sheet.directory, result, sheet.data, sheet.width, **sheet.options)


def _embedding(sheet: _Sheet) -> Section:
    found, thumbnails = read_embeddings(sheet.directory), sheet.thumbnails
    return embedding_section(sheet.directory, found, sheet.data, sheet.width, thumbnails, **sheet.options)


def _gates(sheet: _Sheet) -> Section:
    return gates_section(sheet.directory, read_gates(sheet.directory), sheet.data, sheet.width)


def _sanity(sheet: _Sheet) -> Section:
    return sanity_section(sheet.directory, read_sanity(sheet.directory), sheet.data, sheet.width)


SECTIONS: Mapping[str, Callable[[_Sheet], Section]] = {
    "comparison": _comparison,
    "selectivity": _selectivity,
    "units": _units,
    "saliency": _saliency,
    "embedding": _embedding,
    "gates": _gates,
    "sanity": _sanity,
}
"""Sections by name, in the order of the page; each reads its tables and arrays and draws its figures.

"units" needs the tables of "selectivity" too; options are ``scale`` of "saliency" and ``align`` of "embedding"."""


def complete_report(
    directory: Path, layout: Layout, facts: Mapping[str, Any], warnings: Sequence[str], anonymous: bool = False
) -> None:
    """Draw a report whose tables and arrays are written, and write its page and, last, its record.

    Args:
        directory: The report under construction; each section's ``write_...`` and `write_accuracy` have been called.
        layout: What to draw.
        facts: For ``run.json``: analysis, models, data, settings, seeds, passes.
        warnings: Sentences that a reader must know.
        anonymous: Whether paths, host and user are left out; names of images in tables and arrays are the caller's,
            see `anonymous_images`.

    Raises:
        ReportError: If a table or an array of a section is missing.
    """
    record = new_record(facts, warnings)
    if anonymous:
        record = anonymous_record(record)
    write_latex(directory)
    draw_report(directory, layout, record)
    write_record(directory, {**record, "layout": asdict(layout)})


def draw_report(directory: Path, layout: Layout, record: Mapping[str, Any]) -> None:
    """Draw figures, page and the words for a paper from the tables and arrays in a directory and a run record."""
    thumbnails = read_thumbnails(directory)
    accuracy = read_accuracy(directory)
    sections = []
    for name, draw in SECTIONS.items():
        if name in layout.sections:
            options = {"data": layout.data, **layout.sections[name]}
            sections.append(draw(_Sheet(directory, options.pop("data"), layout.width, thumbnails, options)))
    write_page(
        directory,
        title=layout.title,
        data=layout.data,
        sections=sections,
        accuracy=accuracy,
        record=record,
        thumbnails=thumbnails,
    )
    networks = networks_paragraph(accuracy, layout.data, record["versions"])
    write_methods(directory, [networks, *(section.methods for section in sections)])


def write_methods(directory: Path, paragraphs: Sequence[str]) -> None:
    """Write ``methods.md``, and ``references.bib`` with the works that it cites."""
    text = "\n\n".join(["# Methods", *(paragraph for paragraph in paragraphs if paragraph)])
    for name, content in (("methods.md", f"{text}\n"), ("references.bib", bibliography(text))):
        (directory / name).write_text(content, encoding="utf-8", errors="replace")
