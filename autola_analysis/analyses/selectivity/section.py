"""What the page and a paper say of class selectivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from autola_analysis.analyses.selectivity.figure import plot_selectivity
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

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


def selectivity_section(results: Sequence[SelectivityResult], sheet: Sheet) -> Section:
    """Draw ``figures/selectivity.*`` and return the section.

    Args:
        results: In the order they are shown.
        sheet: What to draw on.
    """
    caption = selectivity_caption(results, sheet.data)
    summary = pd.concat([result.summary for result in results], ignore_index=True)
    return Section(
        "selectivity",
        "Class selectivity",
        figures=sheet.draw("selectivity", plot_selectivity(results, sheet.width), caption),
        tables={"Selectivity by layer": summary},
        methods=selectivity_methods(results),
        references=references_beside(__file__),
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
        f"on {sum(counts.values()):,} images of {present} classes ({data}), for {', '.join(runs)}. "
        f"A unit's activity is the spatial mean of its feature map{rectified}; "
        "curves are kernel densities over live units, scaled to equal height, ticks their medians." + chance + pooled
    )


def selectivity_methods(results: Sequence[SelectivityResult]) -> str:
    """Say how class selectivity was measured."""
    first = results[0]
    settings = first.settings
    layers = ", ".join(dict.fromkeys(layer for result in results for layer in result.layers))
    counts: Mapping[str, int] = settings["images_per_class"]
    classes = sum(count > 0 for count in counts.values())
    dead = sum(int(result.summary["dead"].sum()) for result in results)
    units = sum(int(result.summary["units"].sum()) for result in results)
    text = (
        f"The class selectivity index [@morcos2018] of the units (channels) of {layers} was measured on "
        f"{sum(counts.values()):,} images of {classes} classes. The activity of a unit is the spatial mean of its "
        f"feature map {'with negative values set to zero' if settings['rectify'] else 'after the ReLU'}; with the "
        "largest class-conditional mean activity and the mean of those of the other classes, every class weighing the "
        "same, the index is their difference divided by their sum. "
        f"Units that never fired ({dead:,} of {units:,}) were left out."
    )
    if settings["permutations"]:
        times = "one permutation" if settings["permutations"] == 1 else f"{settings['permutations']} permutations"
        text += f" The chance level is the mean index under {times} of the labels."
    if settings["folds"] >= 2:
        text += f" Intervals are 95% jackknife intervals over {settings['folds']} folds of images [@efron1993]."
    return text + " Class selectivity is neither necessary nor sufficient for performance [@leavitt2020; @gale2020]."
