"""run.json: everything needed to say where the numbers come from and to get them again."""

from __future__ import annotations

import getpass
import json
import platform
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from autola_analysis.core.files import sha256_of
from autola_analysis.report.directory import MANIFEST

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
)


def write_record(directory: Path, facts: Mapping[str, Any], warnings: Sequence[str]) -> None:
    """Write ``run.json`` with the facts of a run, versions, the machine, and the sha256 of every file written.

    Args:
        directory: The report, complete but for this file.
        facts: Analysis, models, data, settings, timings; JSON-ready.
        warnings: Sentences that a reader must know.
    """
    record = {
        "format": 1,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        **facts,
        "warnings": list(warnings),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {"system": platform.platform(), "host": socket.gethostname(), "user": getpass.getuser()},
        "outputs": {
            str(path.relative_to(directory).as_posix()): sha256_of(path)
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        },
    }
    (directory / MANIFEST).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
