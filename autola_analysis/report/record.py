"""run.json: everything needed to say where the numbers come from and to get them again."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autola_analysis.core.code import version_of
from autola_analysis.core.errors import ReportError
from autola_analysis.core.files import sha256_of
from autola_analysis.core.reading import TextFault, json_of, read_text
from autola_analysis.report.ownership import MANIFEST, TOOL

PACKAGES = (
    "autola-analysis",
    "torch",
    "torchvision",
    "torchmetrics",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "captum",
    "openTSNE",
    "timm",
)


def new_record(facts: Mapping[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """Return the record of this run: its facts, versions, the machine.

    Args:
        facts: Analysis, models, data, settings, timings; JSON-ready.
        warnings: Sentences that a reader must know.
    """
    return {
        "format": 1,
        "tool": TOOL,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        **facts,
        "warnings": list(warnings),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {"system": platform.platform(), "host": socket.gethostname(), "user": user_name()},
    }


def user_name() -> str:
    """Return the name of the user; the number of one that has no name, as in a container that is run as any number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def write_record(directory: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json`` into a report that is complete but for it, with the sha256 of every file written."""
    outputs = {
        str(path.relative_to(directory).as_posix()): sha256_of(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    text = json.dumps({**record, "outputs": outputs}, indent=1)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_record(directory: Path) -> dict[str, Any]:
    """Read ``run.json``.

    Raises:
        ReportError: If there is none, or it is damaged.
    """
    path = directory / MANIFEST
    try:
        record = json_of(read_text(path), finite=False)
    except FileNotFoundError as error:
        raise ReportError(f"{directory} holds no report: there is no {MANIFEST} in it.") from error
    except (OSError, TextFault) as error:
        raise ReportError(f"{path} cannot be read as a run record ({error}); run the analysis again.") from error
    if not isinstance(record, dict):
        raise ReportError(f"{path} is no run record; run the analysis again.")
    return record


def recorded_data(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a record says of each data set: a study may have several, by name."""
    data = record.get("data") or {}
    return [data] if "fingerprint" in data else list(data.values())


def _versions() -> dict[str, str]:
    found = {package: version_of(package) for package in PACKAGES}
    return {package: version for package, version in found.items() if version}
