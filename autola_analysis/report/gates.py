"""The gates part of a report: tables, the channel-gate figure, class means and mean maps, the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autola_analysis.analyses.gates import GateResult
from autola_analysis.figures.gates import plot_gates
from autola_analysis.report.figures import write_figure
from autola_analysis.report.page import write_page

STATISTICS = ["mean", "std", "saturated_low", "saturated_high", "class_variation"]

READING = (
    "A gate multiplies features by a number between 0 and 1. mean and std are over images and positions, "
    "saturated_low and saturated_high the shares of values below 0.05 and above 0.95, class_variation the standard "
    "deviation over classes of the class-conditional means. A gate with little variation across classes scales its "
    "channels alike whatever is in the image; one that is saturated passes everything or nothing.",
)


def write_gates(
    directory: Path,
    results: Sequence[GateResult],
    accuracy: pd.DataFrame,
    data: str,
    warnings: Sequence[str] = (),
    width: str | float = "neurips",
) -> None:
    """Write ``tables/gates.csv``, ``figures/gates.*``, ``arrays/`` and ``index.html``.

    Args:
        directory: The report under construction.
        results: In the order they are shown.
        accuracy: Table of accuracy and cost.
        data: What the networks were run on, for caption and page.
        warnings: Shown at the top of the page.
        width: Of the figure.
    """
    gates = pd.concat([result.gates for result in results], ignore_index=True)
    tables = directory / "tables"
    tables.mkdir()
    gates.to_csv(tables / "gates.csv", index=False)
    accuracy.to_csv(tables / "accuracy.csv", index=False)
    _write_arrays(directory / "arrays", results)
    caption = gates_caption(results, data)
    write_figure(plot_gates(results, width=width), directory, "gates", caption)
    keys = ["model", "run", "module", "gate"]
    write_page(
        directory,
        title="Attention gates",
        figures={"gates": caption},
        tables={
            "Gates, mean over units": gates.groupby(keys, sort=False)[STATISTICS].mean().reset_index(),
            "Accuracy and cost": accuracy,
        },
        reading=READING,
        warnings=warnings,
    )


def gates_caption(results: Sequence[GateResult], data: str) -> str:
    """Say what the figure shows, on how many images."""
    names = ", ".join(dict.fromkeys(result.model for result in results))
    return (
        f"Mean channel gate of the last attention module of each stage for {names}, on {results[0].accuracy.images:,} "
        f"images ({data}): for some classes (coloured) and all classes (grey), channels sorted by the latter."
    )


def _write_arrays(folder: Path, results: Sequence[GateResult]) -> None:
    folder.mkdir()
    for name, arrays in (
        ("gate_class_means", [(result, result.class_means) for result in results]),
        ("gate_maps", [(result, result.spatial_maps) for result in results]),
    ):
        keyed: dict[str, Any] = {
            f"{result.model}/{result.run}/{key}": array for result, mapping in arrays for key, array in mapping.items()
        }
        np.savez(folder / f"{name}.npz", **keyed)
