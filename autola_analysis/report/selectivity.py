"""The selectivity part of a report: tables, class means, Figure 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.figures.selectivity import plot_selectivity
from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.report.arrays import read_arrays, write_arrays
from autola_analysis.report.figures import write_figure
from autola_analysis.report.methods import selectivity_paragraph
from autola_analysis.report.section import Section
from autola_analysis.report.tables import read_table, rows_of, write_table

READING = (
    Markup(
        "The class selectivity index of a unit is (&mu;<sub>max</sub> &minus; &mu;<sub>rest</sub>) / "
        "(&mu;<sub>max</sub> + &mu;<sub>rest</sub>) over its class-conditional mean activities: 0 for a unit that "
        "answers all classes alike, 1 for one that answers a single class (Morcos et al., ICLR 2018). The interval of "
        "a mean is a 95% jackknife over images; it says nothing about another training run. <em>null_mean</em> is the "
        "mean under permuted labels: a chance level, not something to subtract. Units that never fire are "
        "<em>dead</em>, counted and left out."
    ),
)
LIMITS = (
    "Class selectivity is neither necessary nor sufficient for performance (Leavitt and Morcos, 2020; Gale et al., "
    "2020): a less selective layer is not a worse or a better one.",
)


def write_selectivity(directory: Path, results: Sequence[SelectivityResult]) -> None:
    """Write ``tables/selectivity*.csv`` and ``arrays/class_means.npz``."""
    write_table(directory, "selectivity", pd.concat([result.units for result in results], ignore_index=True))
    write_table(directory, "selectivity_summary", pd.concat([result.summary for result in results], ignore_index=True))
    arrays: dict[str, Any] = {
        f"{result.model}/{result.run}/{layer}": means
        for result in results
        for layer, means in result.class_means.items()
    }
    about = [
        {
            "model": result.model,
            "run": result.run,
            "layers": result.layers,
            "accuracy": asdict(result.accuracy),
            "settings": dict(result.settings),
        }
        for result in results
    ]
    write_arrays(directory, "class_means", {"classes": np.array(results[0].classes), **arrays}, about)


def read_selectivity(directory: Path) -> list[SelectivityResult]:
    """Read what `write_selectivity` wrote, in order; warnings are in ``run.json``.

    Raises:
        ReportError: If something is missing.
    """
    units, summary = read_table(directory, "selectivity"), read_table(directory, "selectivity_summary")
    arrays, about = read_arrays(directory, "class_means")
    return [
        SelectivityResult(
            model=each["model"],
            run=each["run"],
            units=rows_of(units, model=each["model"], run=each["run"]),
            summary=rows_of(summary, model=each["model"], run=each["run"]),
            class_means={layer: arrays[f"{each['model']}/{each['run']}/{layer}"] for layer in each["layers"]},
            classes=tuple(arrays["classes"].tolist()),
            accuracy=Accuracy(**each["accuracy"]),
            settings=each["settings"],
        )
        for each in about
    ]


def selectivity_section(
    directory: Path, results: Sequence[SelectivityResult], data: str, width: str | float = "neurips"
) -> Section:
    """Draw ``figures/selectivity.*`` and return the section.

    Args:
        directory: The report.
        results: In the order they are shown.
        data: What the networks were run on, for the caption ("cifar10, test split").
        width: Of the figure.
    """
    caption = selectivity_caption(results, data)
    write_figure(plot_selectivity(results, width), directory, "selectivity", caption)
    summary = pd.concat([result.summary for result in results], ignore_index=True)
    return Section(
        "selectivity",
        "Class selectivity",
        figures={"selectivity": caption},
        tables={"Selectivity by layer": summary},
        methods=selectivity_paragraph(results),
        reading=READING,
        limits=LIMITS,
    )


def selectivity_caption(results: Sequence[SelectivityResult], data: str) -> str:
    """Say what Figure 1 shows, on how many images, with which settings."""
    first = results[0]
    counts: Mapping[str, int] = first.settings["images_per_class"]
    present = sum(count > 0 for count in counts.values())
    runs = {result.model: sum(other.model == result.model for other in results) for result in results}
    pooled = " Units of the runs of a variant are pooled." if max(runs.values()) > 1 else ""
    chance = (
        f" Dotted lines: mean over units under permuted labels ({first.settings['permutations']} permutations)."
        if first.settings["permutations"]
        else ""
    )
    rectified = ", negative values set to zero" if first.settings["rectify"] else " after the ReLU"
    return (
        f"Class selectivity index of the units of {', '.join(dict.fromkeys(x for r in results for x in r.layers))} "
        f"on {first.accuracy.images:,} images of {present} classes ({data}), for {', '.join(runs)}. "
        f"A unit's activity is the spatial mean of its feature map{rectified}; "
        "curves are kernel densities over live units, scaled to equal height, ticks their medians." + chance + pooled
    )
