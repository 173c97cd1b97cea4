"""The selectivity part of a report: tables, Figure 1, class means, the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.figures.selectivity import plot_selectivity
from autola_analysis.report.figures import write_figure
from autola_analysis.report.page import write_page

READING = (
    Markup(
        "The class selectivity index of a unit is (&mu;<sub>max</sub> &minus; &mu;<sub>rest</sub>) / "
        "(&mu;<sub>max</sub> + &mu;<sub>rest</sub>) over its class-conditional mean activities: 0 for a unit that "
        "answers all classes alike, 1 for one that answers a single class (Morcos et al., ICLR 2018). The interval of "
        "a mean is a 95% jackknife over images; it says nothing about another training run. <em>null_mean</em> is the "
        "mean under permuted labels: a chance level, not something to subtract. Units that never fire are "
        "<em>dead</em>, counted and left out. Selectivity is neither necessary nor sufficient for performance "
        "(Leavitt and Morcos, 2020; Gale et al., 2020)."
    ),
)


def write_selectivity(
    directory: Path,
    results: Sequence[SelectivityResult],
    accuracy: pd.DataFrame,
    data: str,
    width: str | float = "neurips",
) -> None:
    """Write ``tables/``, ``figures/selectivity.*``, ``arrays/`` and ``index.html``.

    Args:
        directory: The report under construction.
        results: In the order they are shown.
        accuracy: Table of accuracy and cost, see `accuracy_table`.
        data: What the networks were run on, for caption and page ("cifar10, test").
        width: Of the figure.
    """
    summary = pd.concat([result.summary for result in results], ignore_index=True)
    tables = directory / "tables"
    tables.mkdir()
    pd.concat([result.units for result in results], ignore_index=True).to_csv(tables / "selectivity.csv", index=False)
    summary.to_csv(tables / "selectivity_summary.csv", index=False)
    accuracy.to_csv(tables / "accuracy.csv", index=False)
    _write_class_means(directory / "arrays", results)
    caption = selectivity_caption(results, data)
    figure = plot_selectivity(results, width)
    write_figure(figure, directory, "selectivity", caption)
    write_page(
        directory,
        title="Class selectivity",
        figures={"selectivity": caption},
        tables={"Selectivity by layer": summary, "Accuracy and cost": accuracy},
        reading=READING,
        warnings=[warning for result in results for warning in result.warnings],
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
    return (
        f"Class selectivity index of the units of {', '.join(dict.fromkeys(x for r in results for x in r.layers))} "
        f"on {first.accuracy.images:,} images of {present} classes ({data}), for {', '.join(runs)}. "
        "A unit's activity is the spatial mean of its feature map after the ReLU; "
        "curves are kernel densities over live units, scaled to equal height, ticks their medians." + chance + pooled
    )


def _write_class_means(folder: Path, results: Sequence[SelectivityResult]) -> None:
    folder.mkdir()
    arrays: dict[str, Any] = {
        f"{result.model}/{result.run}/{layer}": means
        for result in results
        for layer, means in result.class_means.items()
    }
    np.savez(folder / "class_means.npz", classes=np.array(results[0].classes), **arrays)
