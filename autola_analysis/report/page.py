"""index.html: one self-contained page, no network, every name escaped."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from PIL import Image

from autola_analysis.core.text import counted, wirings_text
from autola_analysis.report.preprocessing import preprocessing_lines
from autola_analysis.report.record import recorded_data
from autola_analysis.report.section import Section
from autola_analysis.report.templating import raw, render
from autola_analysis.report.thumbnails import Thumbnails
from autola_analysis.report.variants import variant_rows
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

DOTS_PER_INCH = 300  # of the figures in PNG
REM_PER_INCH = 9.6


def write_page(
    directory: Path,
    *,
    title: str,
    data: str,
    sections: Sequence[Section],
    accuracy: pd.DataFrame,
    record: Mapping[str, Any],
    thumbnails: Thumbnails | None = None,
    wirings: Mapping[str, int] | None = None,
    named: Mapping[str, str] | None = None,
) -> None:
    """Write ``index.html``: a summary, the sections in the given order, limits, where the numbers come from.

    Args:
        directory: The report; ``figures/<name>.png`` are embedded.
        title: Heading.
        data: What the networks were run on ("cifar10, test split").
        sections: What the analyses add.
        accuracy: Table of accuracy and cost.
        record: What ``run.json`` says, but for the outputs.
        thumbnails: Small images that the sections show; stored once.
        wirings: Number of wirings of every variant that has several, one run each.
        named: What a reader should know of paper, attention modules and data, by name.
    """
    pictures = {
        name: _picture(directory / "figures" / f"{name}.png") for section in sections for name in section.figures
    }
    counts = [_counted(data) for data in recorded_data(record)]
    html = render(
        "page.html.j2",
        title=title,
        data=data,
        sections=sections,
        pictures=pictures,
        variants=variant_rows(accuracy),
        classified=not detectors_alone(record),
        named=named or {},
        models=list(dict.fromkeys(accuracy["model"])),
        runs=len(accuracy),
        warnings=record["warnings"],
        counts=counts[0] if len(counts) == 1 else "",
        provenance=_provenance(record),
        wirings=[f"{name} is {wirings_text(number)}" for name, number in (wirings or {}).items()],
        limits=[*_limits_of_runs(accuracy, wirings), *(limit for section in sections for limit in section.limits)],
        thumbnails=_json([base64.b64encode(jpeg).decode() for jpeg in (thumbnails or Thumbnails()).jpegs]),
        style=raw("page.css"),
        script=raw("page.js"),
        scripts=[script for section in sections for script in section.scripts],
    )
    # A file name that is no UTF-8 has no character; its number is written then.
    (directory / "index.html").write_bytes(html.encode("utf-8", "xmlcharrefreplace"))


def detectors_alone(record: Mapping[str, Any]) -> bool:
    """Return whether all networks of a report are detectors, which have no accuracy."""
    specs = [model.get("spec") or {} for model in record.get("models", [])]
    return bool(specs) and all("kind" in spec for spec in specs)


def _picture(path: Path) -> tuple[str, float]:
    """Return a figure in base64 and the width to show it at, in rem: type has the size of the text around it."""
    with Image.open(path) as image:
        width = image.width / DOTS_PER_INCH * REM_PER_INCH
    return base64.b64encode(path.read_bytes()).decode(), round(width, 1)


def _json(value: object) -> Markup:
    """Return JSON that may stand inside a script element."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


def _limits_of_runs(accuracy: pd.DataFrame, wirings: Mapping[str, int] | None = None) -> list[str]:
    runs = accuracy.groupby("model", sort=False)["run"].nunique()
    few = [str(name) for name, count in runs.items() if count < RUNS_FOR_MODULES]
    limits = [
        "Intervals over images tell how far a number would move with other images of the same kind. They say nothing "
        "of another training run."
    ]
    if few:
        limits.append(
            "One checkpoint cannot speak for an attention module: two trainings that differ in nothing but their seed "
            f"differ too. Fewer than {RUNS_FOR_MODULES} training runs are here of {', '.join(few)}; what is said of "
            "them is said of these checkpoints."
        )
    limits += [
        f"Runs of {name} differ in their wiring and in their training ({wirings_text(number)}): an interval over them "
        "speaks for wirings and training together, and for no single wiring."
        for name, number in (wirings or {}).items()
    ]
    return limits


def _counted(data: Mapping[str, Any]) -> str:
    """Say how many images there are, and of how many classes where they have labels."""
    of_classes = f" of {data['classes']} classes" if data["classes"] else ", without labels"
    return counted(data["images"], "image") + of_classes


def _provenance(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader needs to get the numbers again."""
    rows = {"command": shlex.join(map(str, record.get("command", []))), "written": str(record.get("written", ""))}
    for number, data in enumerate(recorded_data(record), start=1):
        name = "data" if number == 1 else f"data {number}"
        rows[name] = f"{data['name']}, {data['split']} split, {_counted(data)} (fingerprint {data['fingerprint']})"
    if lines := preprocessing_lines(record.get("models", [])):
        rows["preprocessing"] = "; ".join(lines)
    rows |= {
        f"{model['model']}, run {model['run']}": f"{model['path']} (sha256 {model['sha256']})"
        for model in record.get("models", [])
    }
    versions = ", ".join(f"{package} {version}" for package, version in record.get("versions", {}).items())
    rows |= {"versions": versions, "system": str(record.get("machine", {}).get("system", ""))}
    return {name: text for name, text in rows.items() if text}
