"""Drawing a report again from its tables, arrays and run record, without models or data."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autola_analysis.analyses.registry import registrations
from autola_analysis.core.errors import ReportError
from autola_analysis.core.files import sha256_of
from autola_analysis.report.directory import report_directory
from autola_analysis.report.ownership import MANIFEST
from autola_analysis.report.record import read_record, write_record
from autola_analysis.report.style import figure_width
from autola_analysis.study.draw import Layout, draw_report


def redraw(out: Path, width: str | float | None = None, quiet: bool = False) -> None:
    """Draw figures and page of a report again; tables, arrays and everything else in it stay as they are.

    The report is replaced whole or not at all. Its record keeps what it says of the run; the hashes of the outputs
    are taken anew. Files that no run wrote, or that were edited, stay, see `report_directory`.

    Args:
        out: The report directory.
        width: Of the figures; None keeps the one they were drawn with.
        quiet: Whether to show no progress.

    Raises:
        ReportError: If there is no report, a file that the figures are drawn from is missing or has changed, or an
            earlier version wrote it.
        OptionError: If the width is not one.
    """
    if width is not None:
        figure_width(width)
    record = read_record(out)
    layout = _layout(out, record)
    _check_unchanged(out, record)
    if width is not None:
        layout = replace(layout, width=width)
    with report_directory(out, overwrite=True) as directory:
        for name in record["outputs"]:
            if not name.startswith("figures/") and (out / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(out / name, directory / name)
        draw_report(directory, layout, record, quiet)
        write_record(directory, {**record, "layout": asdict(layout)})


def _layout(out: Path, record: dict[str, Any]) -> Layout:
    try:
        layout = Layout(**record["layout"])
        missing = {"outputs", "versions", "warnings"} - record.keys()
    except (KeyError, TypeError):
        missing = {"layout"}
    if missing:
        raise ReportError(f"{out / MANIFEST} does not say how to draw ({min(missing)}); run the analysis again.")
    unknown = [name for name in layout.analyses if name not in registrations()]
    if unknown:
        raise ReportError(f"{out / MANIFEST} names the analysis {unknown[0]!r}, which this installation does not have.")
    return layout


def _check_unchanged(out: Path, record: dict[str, Any]) -> None:
    """Refuse to draw numbers that the run did not write."""
    for name, written in record["outputs"].items():
        if not name.startswith(("tables/", "arrays/")):
            continue
        if not (out / name).exists():
            raise ReportError(f"{name} is missing in {out}; run the analysis again.")
        if sha256_of(out / name) != written:
            raise ReportError(f"{name} in {out} is not what the run wrote; put it back, or run the analysis again.")
