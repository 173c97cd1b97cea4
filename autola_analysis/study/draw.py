"""From the tables and arrays of a report to its figures, its page and the words for a paper; no model is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autola_analysis.analyses.registry import analysis_of, registration_of
from autola_analysis.core.progress import progress_bar
from autola_analysis.core.results import read_stored
from autola_analysis.core.tables import has_table, read_table
from autola_analysis.core.text import wirings_text
from autola_analysis.report.methods import networks_paragraph, write_methods
from autola_analysis.report.page import write_page
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.report.style import colours_of_report
from autola_analysis.report.thumbnails import read_thumbnails
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.statistics.compare import COMPARISON_TABLE
from autola_analysis.study.comparison.controls import CONTROLS_TABLE
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE
from autola_analysis.study.comparison.section import claims_section
from autola_analysis.study.named import named_lines
from autola_analysis.study.networks import ACCURACY_TABLE
from autola_analysis.study.wirings import WIRINGS_TABLE, numbers_of_wirings


@dataclass(frozen=True)
class Layout:
    """What a report shows, and how; kept in ``run.json``, so that it can be drawn again.

    Attributes:
        title: Heading of the page.
        data: What the networks were run on, for the page ("cifar10, test split").
        width: Of the figures: "neurips", "cvpr", "column" or inches.
        analyses: By name, in the order of the page: what captions call the images of each (``data``), and its options
            (``options``).
    """

    title: str
    data: str
    width: str | float = "neurips"
    analyses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def draw_report(directory: Path, layout: Layout, record: Mapping[str, Any], quiet: bool = False) -> None:
    """Draw figures, page and the words for a paper from the tables and arrays in a directory and a run record.

    Args:
        directory: The report.
        layout: What it shows.
        record: What ``run.json`` says.
        quiet: Whether to show no progress.

    Raises:
        ReportError: If a table or an array is missing.
    """
    thumbnails = read_thumbnails(directory)
    results = {  # all is read before anything is drawn
        name: (analysis := analysis_of(name)).restore(read_stored(directory, analysis.format))
        for name in layout.analyses
    }
    accuracy = read_table(directory, ACCURACY_TABLE)
    wirings = _wirings(directory)
    note = " ".join(f"{name} is {wirings_text(number)}." for name, number in wirings.items())
    sections: list[Section] = []
    if has_table(directory, COMPARISON_TABLE.name):
        comparison, claims, controls = (
            read_table(directory, table) for table in (COMPARISON_TABLE, CLAIMS_TABLE, CONTROLS_TABLE)
        )
        sheet = Sheet(directory, layout.data, layout.width, note=note)
        searched = (
            read_table(directory, SEARCH_RANDOM_TABLE)
            if has_table(directory, SEARCH_RANDOM_TABLE.name)
            else SEARCH_RANDOM_TABLE.frame()
        )
        sections.append(claims_section(comparison, claims, sheet, controls, searched))
    variants = [model["model"] for model in record.get("models", [])]
    with (
        colours_of_report(variants),
        progress_bar(len(layout.analyses), "drawing", unit="analyses", quiet=quiet) as bar,
    ):
        for name, asked in layout.analyses.items():
            analysis, kind = analysis_of(name), registration_of(name).options_class()
            sheet = Sheet(directory, asked["data"], layout.width, thumbnails, kind(**asked["options"]), note)
            sections += analysis.sections(results[name], sheet)
            bar.update()
    write_page(
        directory,
        title=layout.title,
        data=layout.data,
        sections=sections,
        accuracy=accuracy,
        record=record,
        thumbnails=thumbnails,
        wirings=wirings,
        named=named_lines(record),
    )
    networks = networks_paragraph(accuracy, layout.data, record["versions"], wirings, record.get("models", []))
    write_methods(directory, networks, sections)


def _wirings(directory: Path) -> dict[str, int]:
    """Return the number of wirings of every variant that has several."""
    if not has_table(directory, WIRINGS_TABLE.name):
        return {}
    return numbers_of_wirings(read_table(directory, WIRINGS_TABLE))
