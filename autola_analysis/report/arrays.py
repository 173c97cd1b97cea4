"""Arrays of a report: what its figures are drawn from, with the facts that belong to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.errors import ReportError

ABOUT = "about"
"""Key of the facts, as JSON; every other key that is made of names has a stroke in it."""


def write_arrays(directory: Path, name: str, arrays: Mapping[str, Any], about: Any) -> None:
    """Write ``arrays/<name>.npz``.

    Args:
        directory: The report.
        name: Of the file.
        arrays: By key.
        about: Whatever else is needed to understand the arrays, JSON-ready.
    """
    folder = directory / "arrays"
    folder.mkdir(exist_ok=True)
    keyed: dict[str, Any] = {**arrays, ABOUT: np.array(json.dumps(about))}
    np.savez(folder / f"{name}.npz", **keyed)


def has_arrays(directory: Path, name: str) -> bool:
    """Return whether there is ``arrays/<name>.npz``."""
    return (directory / "arrays" / f"{name}.npz").exists()


def read_arrays(directory: Path, name: str) -> tuple[dict[str, NDArray[Any]], Any]:
    """Read what `write_arrays` wrote.

    Returns:
        The arrays by key, and the facts.

    Raises:
        ReportError: If there is no such file, or an earlier version wrote it without facts.
    """
    path = directory / "arrays" / f"{name}.npz"
    if not path.exists():
        raise ReportError(f"there is no arrays/{name}.npz in the report; run the analysis again.")
    with np.load(path) as file:
        arrays = dict(file)
    if ABOUT not in arrays:
        raise ReportError(f"arrays/{name}.npz comes from a version that could not redraw; run the analysis again.")
    return arrays, json.loads(str(arrays.pop(ABOUT)))
