"""The gates part of a report: table, class means and mean maps, the channel-gate figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from autola_analysis.analyses.gates import GateResult
from autola_analysis.figures.gates import plot_gates
from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.report.arrays import read_arrays, write_arrays
from autola_analysis.report.figures import write_figure
from autola_analysis.report.methods import gates_paragraph
from autola_analysis.report.section import Section
from autola_analysis.report.tables import read_table, rows_of, write_table

STATISTICS = ["mean", "std", "saturated_low", "saturated_high", "class_variation"]

READING = (
    "A gate multiplies features by a number between 0 and 1. mean and std are over images and positions, "
    "saturated_low and saturated_high the shares of values below 0.05 and above 0.95, class_variation the standard "
    "deviation over classes of the class-conditional means. A gate with little variation across classes scales its "
    "channels alike whatever is in the image; one that is saturated passes everything or nothing.",
)


def write_gates(directory: Path, results: Sequence[GateResult]) -> None:
    """Write ``tables/gates.csv``, ``arrays/gate_class_means.npz`` and ``arrays/gate_maps.npz``."""
    write_table(directory, "gates", pd.concat([result.gates for result in results], ignore_index=True))
    about = [
        {
            "model": result.model,
            "run": result.run,
            "gates": list(result.class_means),
            "spatial": list(result.spatial_maps),
            "classes": list(result.classes),
            "accuracy": asdict(result.accuracy),
            "settings": dict(result.settings),
        }
        for result in results
    ]
    for name, arrays in (
        ("gate_class_means", [(result, result.class_means) for result in results]),
        ("gate_maps", [(result, result.spatial_maps) for result in results]),
    ):
        keyed = {
            f"{result.model}/{result.run}/{key}": array for result, mapping in arrays for key, array in mapping.items()
        }
        write_arrays(directory, name, keyed, about)


def read_gates(directory: Path) -> list[GateResult]:
    """Read what `write_gates` wrote, in order; warnings are in ``run.json``.

    Raises:
        ReportError: If something is missing.
    """
    gates = read_table(directory, "gates")
    means, about = read_arrays(directory, "gate_class_means")
    maps, _ = read_arrays(directory, "gate_maps")
    return [
        GateResult(
            model=each["model"],
            run=each["run"],
            gates=rows_of(gates, model=each["model"], run=each["run"]),
            class_means={key: means[f"{each['model']}/{each['run']}/{key}"] for key in each["gates"]},
            spatial_maps={key: maps[f"{each['model']}/{each['run']}/{key}"] for key in each["spatial"]},
            classes=tuple(each["classes"]),
            accuracy=Accuracy(**each["accuracy"]),
            settings=each["settings"],
        )
        for each in about
    ]


def gates_section(directory: Path, results: Sequence[GateResult], data: str, width: str | float = "neurips") -> Section:
    """Draw ``figures/gates.*`` and return the section.

    Args:
        directory: The report.
        results: In the order they are shown.
        data: What the networks were run on, for the caption.
        width: Of the figure.
    """
    first: dict[str, GateResult] = {}
    for result in results:
        first.setdefault(result.model, result)
    caption = gates_caption(results, data)
    write_figure(plot_gates(list(first.values()), width=width), directory, "gates", caption)
    gates = pd.concat([result.gates for result in results], ignore_index=True)
    means = gates.groupby(["model", "run", "module", "gate"], sort=False)[STATISTICS].mean().reset_index()
    return Section(
        "gates", "Attention gates", figures={"gates": caption}, tables={"Gates, mean over units": means},
        methods=gates_paragraph(results), reading=READING,
    )  # fmt: skip


def gates_caption(results: Sequence[GateResult], data: str) -> str:
    """Say what the figure shows, on how many images."""
    models = [result.model for result in results]
    names = ", ".join(dict.fromkeys(models))
    several = " The first training run of each is shown." if len(models) > len(set(models)) else ""
    return (
        f"Mean channel gate of the last attention module of each stage for {names}, on {results[0].accuracy.images:,} "
        f"images ({data}): for some classes (coloured) and all classes (grey), channels sorted by the latter."
        f"{several}"
    )
