"""The demos: studies of small networks that ship with the package, on images that any installation can make."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from autola_analysis.analyses.registry import registrations
from autola_analysis.study.file import StudyFile, parse_study

CLASSIFIERS, DETECTORS = "demo.toml", "detection_demo.toml"
"""The study files, beside this one; their checkpoints lie in the folder beside them"""


def demo_checkpoints(file: str = CLASSIFIERS) -> dict[str, list[Path]]:
    """Return the shipped checkpoints of a demo, the training runs of each variant.

    Args:
        file: Name of the study file.
    """
    return {name: [Path(path) for path in table["paths"]] for name, table in _values(file)["models"].items()}


def demo_study(file: str = CLASSIFIERS) -> StudyFile:
    """Return a demo as a study, with those of its analyses that are installed.

    Args:
        file: Name of the study file.
    """
    values = _values(file)
    values["analyses"] = [table for table in values["analyses"] if table["kind"] in registrations()]
    return parse_study(values, f"the demo ({file})")


def _values(file: str) -> dict[str, Any]:
    """Return the content of a study file with the paths of its checkpoints on this machine."""
    folder = Path(str(files("autola_analysis.study")))
    values = tomllib.loads((folder / file).read_text(encoding="utf-8"))
    for table in values["models"].values():
        table["paths"] = [str(folder / path) for path in table["paths"]]
    return values
