"""What the page and a paper say of gates."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.gates.figure import plot_gates
from autola_analysis.analyses.gates.result import STATISTICS, GateResult
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

READING = (
    "A gate multiplies features by a number between 0 and 1. mean and std are over images and positions, "
    "saturated_low and saturated_high the shares of values below 0.05 and above 0.95, class_variation the standard "
    "deviation over classes of the class-conditional means. Images of one class differ too, so the means would differ "
    "by class_variation_noise if the gate did not depend on the class at all; class_variation_excess is what goes "
    "beyond that. A gate with little variation across classes scales its channels alike whatever is in the image; one "
    "that is saturated passes everything or nothing.",
)


def gates_section(results: Sequence[GateResult], sheet: Sheet) -> Section:
    """Draw ``figures/gates.*`` and return the section.

    Args:
        results: In the order they are shown.
        sheet: What to draw on.
    """
    first: dict[str, GateResult] = {}
    for result in results:
        first.setdefault(result.model, result)
    figure = plot_gates(list(first.values()), width=sheet.width)
    gates = pd.concat([result.gates for result in results], ignore_index=True)
    means = gates.groupby(["model", "run", "module", "gate"], sort=False)[STATISTICS].mean().reset_index()
    return Section(
        "gates",
        "Attention gates",
        figures=sheet.draw("gates", figure, gates_caption(results, sheet.data)),
        tables={"Gates, mean over units": means},
        methods=gates_methods(results),
        reading=READING,
    )


def gates_caption(results: Sequence[GateResult], data: str) -> str:
    """Say what the figure shows, on how many images."""
    models = [result.model for result in results]
    names = ", ".join(dict.fromkeys(models))
    several = " The first training run of each is shown." if len(models) > len(set(models)) else ""
    return (
        f"Mean channel gate of the last attention module of each stage for {names}, on "
        f"{results[0].settings['images']:,} images ({data}): for some classes (coloured) and all classes (grey), "
        "channels sorted by the latter."
        f"{several}"
    )


def gates_methods(results: Sequence[GateResult]) -> str:
    """Say how gates were measured."""
    settings = results[0].settings
    return (
        f"The gates of the attention modules were recorded on {settings['images']:,} images, as in [@hu2018]: "
        f"mean and standard deviation, the shares of values below {settings['saturated_below']} and above "
        f"{settings['saturated_above']}, and the standard deviation of the class-conditional means over classes, "
        "beside what the variation of images within classes makes of it by chance."
    )
