"""Drawing a report again from its tables, arrays and run record, without models or data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from pydantic import BaseModel, ValidationError

from autola_analysis.analyses.options import sentence_of
from autola_analysis.analyses.registry import registrations
from autola_analysis.core.errors import ReportError
from autola_analysis.core.files import expanded, sha256_of
from autola_analysis.report.directory import report_directory
from autola_analysis.report.ownership import MANIFEST
from autola_analysis.report.record import read_record, recorded_data, write_record
from autola_analysis.report.style import figure_width
from autola_analysis.study.draw import Layout, draw_report


def redraw(out: str | Path, width: str | float | None = None, quiet: bool = False) -> None:
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
    out = expanded(out)
    if width is not None:
        figure_width(width)
    with _as_written(out):
        record = _record(out)
        layout = _layout(out, record)
        _check_unchanged(out, record)
    if width is not None:
        layout = replace(layout, width=width)
    with report_directory(out, overwrite=True) as directory:
        for name in record["outputs"]:
            if not name.startswith("figures/") and (out / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(out / name, directory / name)
        with _as_written(out):
            draw_report(directory, layout, record, quiet)
        write_record(directory, {**record, "layout": asdict(layout)})


class _Model(BaseModel):
    """What a record says of a network, as far as drawing needs it."""

    model: str
    run: str
    path: str
    spec: dict[str, Any] | None = None
    preprocessing: dict[str, Any] | None = None
    inside: str = ""


class _Data(BaseModel):
    """What a record says of some images."""

    name: str
    images: int
    left_out: list[str]


class _Record(BaseModel):
    """What a record must say for its report to be drawn; whatever else it says is kept as it is."""

    outputs: dict[str, str]
    versions: dict[str, str]
    warnings: list[str]
    layout: dict[str, Any]
    models: list[_Model] = []
    data: dict[str, Any] = {}
    command: list[str] = []


def _record(out: Path) -> dict[str, Any]:
    """Return a run record whose values are of the kinds that a run writes."""
    record = read_record(out)
    missing = {"layout", "outputs", "versions", "warnings"} - record.keys()
    if missing:
        raise ReportError(f"{out / MANIFEST} does not say how to draw ({min(missing)}); run the analysis again.")
    try:
        _Record.model_validate(record)
        for data in recorded_data(record):
            _Data.model_validate(data)
    except ValidationError as error:
        raise ReportError(
            f"{out / MANIFEST} is not as a run writes it: {sentence_of(error, _Record)} Run the analysis again."
        ) from error
    outside = [name for name in record["outputs"] if Path(name).is_absolute() or ".." in Path(name).parts]
    if outside:
        raise ReportError(
            f"{out / MANIFEST} lists {outside[0]!r}, which is outside the report; run the analysis again."
        )
    return record


UNLIKE_WRITTEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TemplateError,
    TypeError,
    ValueError,
)
"""What drawing raises where tables and arrays do not fit together."""


@contextmanager
def _as_written(out: Path) -> Iterator[None]:
    """Turn what tables and arrays of another shape than a run's lead to into one sentence."""
    try:
        yield
    except UNLIKE_WRITTEN as error:
        raise ReportError(
            f"what {out} holds is not as a run writes it ({type(error).__name__}: {str(error)[:200]}); "
            "run the analysis again."
        ) from error


def _layout(out: Path, record: dict[str, Any]) -> Layout:
    try:
        layout = Layout(**record["layout"])
    except TypeError as error:
        raise ReportError(f"{out / MANIFEST} does not say how to draw (layout); run the analysis again.") from error
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
        try:
            changed = sha256_of(out / name) != written
        except OSError as error:
            raise ReportError(f"{name} in {out} cannot be read ({error.strerror}); run the analysis again.") from error
        if changed:
            raise ReportError(f"{name} in {out} is not what the run wrote; put it back, or run the analysis again.")
