"""What the page and a paper say of ablation."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.ablation.figure import plot_ablation
from autola_analysis.analyses.ablation.result import AblationResult
from autola_analysis.analyses.ablation.rows import runs_by_layer, summary_rows
from autola_analysis.core.tables import side_by_side
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

READING = (
    "A unit that is off has the same value for every image, so that nothing is left of what it says. The area under a "
    "curve is the mean accuracy while the share of units that are off goes from none to all: the larger, the less the "
    "network relies on single units (single directions, in the words of Morcos et al., ICLR 2018, who found that "
    "networks which generalise better rely less on them). area_random is over random orders; loss_random is the "
    "accuracy minus that area, so that a better network is not ahead by its accuracy alone. If selective units matter "
    "more than others, the curve falls faster when they go first: selective_minus_random is negative and "
    "reversed_minus_random positive. correlation is Spearman's, over live units, of a unit's class selectivity and the "
    "accuracy that is lost when it alone is off; spread_random is the standard deviation of the area over random "
    "orders. Units that never fire change nothing and stand in no order.",
)
LIMITS = (
    "The ablation of units is our question, not the supplement's. A network was not trained with units off, so that "
    "an ablated network sees activations that it has never seen; a unit that changes nothing alone may be one of "
    "several that stand in for each other (Zhou et al., 2018, found small drops of the accuracy over all classes and "
    "large ones for single classes), and that a unit matters when it is switched off does not say that its selectivity "
    "is the reason (Leavitt and Morcos, 2020). The correlation is drawn towards 0 by the noise of drops, the more so "
    "the fewer the images.",
)
NOTHING = ("No layer could be ablated; the warnings say why.",)


def ablation_section(results: Sequence[AblationResult], sheet: Sheet) -> Section:
    """Draw ``figures/ablation.*`` and return the section.

    Args:
        results: In the order they are shown.
        sheet: What to draw on.
    """
    if not results:
        return Section("ablation", "Accuracy while units are off", reading=NOTHING)
    measures = summary_rows(results)[0].replace({"run": {"": "all"}})
    return Section(
        "ablation",
        "Accuracy while units are off",
        figures=sheet.draw("ablation", plot_ablation(results, sheet.width), ablation_caption(results, sheet.data)),
        tables={"Areas under accuracy curves": side_by_side(measures, ["model", "run", "layer"], "measure", "value")},
        methods=ablation_methods(results),
        references=references_beside(__file__),
        reading=READING,
        limits=LIMITS,
    )


def ablation_caption(results: Sequence[AblationResult], data: str) -> str:
    """Say what the curves show, on how many images, with which settings."""
    settings = results[0].settings
    models = ", ".join(dict.fromkeys(each.model for each in results))
    several = max(len(of_variant) for of_variant in runs_by_layer(results).values())
    bands = "over images"
    if several >= RUNS_FOR_MODULES:
        bands += f", from {RUNS_FOR_MODULES} training runs on over runs and images together"
    means = " Lines are means over the runs of a variant." if several > 1 else ""
    return (
        f"Top-1 accuracy of {models} on {settings['images']:,} images "
        f"({data}) while units of {_layers(results)} are set to {_value(results)}: in the order of their class "
        f"selectivity, in the reverse order, and in {settings['orders']} random orders (mean).{means} "
        f"Bands are pointwise 95% intervals {bands}; grey lines are the other variants."
    )


def ablation_methods(results: Sequence[AblationResult]) -> str:
    """Say how units were ablated."""
    settings = results[0].settings
    several = max(len(of_variant) for of_variant in runs_by_layer(results).values())
    over = "over images (Student's t)"
    if several >= RUNS_FOR_MODULES:
        over += "; of the runs of a variant together, by components of variance over runs and images"
    return (
        f"Units (channels) of {_layers(results)} were ablated on {settings['images']:,} images [@morcos2018; "
        f"@zhou2018]: set to {_value(results)}, one at a time, and cumulatively in {settings['steps']} steps from no "
        "unit to all live ones, in the order of their class selectivity on the same images, in the reverse order, and "
        f"in {settings['orders']} random orders. The area under a curve of accuracy against the share of ablated units "
        "(trapezoidal rule) is a mean over images. The rank correlation is Spearman's, over live units, of class "
        "selectivity and the drop of accuracy when a unit alone is ablated, with a jackknife over class-stratified "
        f"folds of the images [@efron1993]. Other intervals are 95% intervals {over}. Whether selectivity is why a "
        "unit matters, an ablation does not tell [@leavitt2020]."
    )


def _layers(results: Sequence[AblationResult]) -> str:
    return ", ".join(dict.fromkeys(each.layer for each in results))


def _value(results: Sequence[AblationResult]) -> str:
    return "zero" if results[0].settings["value"] == "zero" else "their mean over the images"
