"""The demos: studies of small networks that ship with the package, on images that any installation can make."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from autola_analysis.analyses.registry import registrations
from autola_analysis.core.errors import OptionError
from autola_analysis.study.file import StudyFile, parse_study

Demo = Literal["classifiers", "detectors"]
CLASSIFIERS: Demo = "classifiers"
DETECTORS: Demo = "detectors"
FILES: Mapping[Demo, str] = {CLASSIFIERS: "demo.toml", DETECTORS: "detection_demo.toml"}
"""The study files, beside this one; their checkpoints lie in the folder beside them"""


def demo_checkpoints(demo: Demo = CLASSIFIERS) -> dict[str, list[Path]]:
    """Return the shipped checkpoints of a demo, the training runs of each variant.

    Args:
        demo: "classifiers" or "detectors".

    Raises:
        OptionError: If there is no such demo.
    """
    return {name: [Path(path) for path in table["paths"]] for name, table in _values(demo)["models"].items()}


def demo_study(demo: Demo = CLASSIFIERS) -> StudyFile:
    """Return a demo as a study, with those of its analyses that are installed.

    Args:
        demo: "classifiers" or "detectors".

    Raises:
        OptionError: If there is no such demo.
    """
    values = _values(demo)
    values["analyses"] = [table for table in values["analyses"] if table["kind"] in registrations()]
    return parse_study(values, f"the demo of {demo}")


def _values(demo: Demo) -> dict[str, Any]:
    """Return the content of a study file with the paths of its checkpoints on this machine."""
    if demo not in FILES:
        raise OptionError(f"there are demos of {' and '.join(FILES)}; found {demo!r}.")
    folder = Path(str(files("autola_analysis.study")))
    values = tomllib.loads((folder / FILES[demo]).read_text(encoding="utf-8"))
    for table in values["models"].values():
        table["paths"] = [str(folder / path) for path in table["paths"]]
    return values
