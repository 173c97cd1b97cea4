"""What the page and a paper say of gates."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.gates.contrast_figure import contrast_rows, plot_contrast
from autola_analysis.analyses.gates.figure import plot_gates
from autola_analysis.analyses.gates.result import CONTRAST, STATISTICS, GateResult
from autola_analysis.analyses.object_items import IMAGES, JOINTS, OBJECTS
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


READING_OBJECTS = (
    "A class has the images that hold an object of it, so that an image counts for several classes, and "
    "class_variation_noise, which takes classes for independent, is a little too large. object_contrast is the mean of "
    "a spatial gate in an object's box less its mean over what of the image no annotated box covers, averaged over "
    "objects: above zero where spatial attention sits on objects. Its 95% interval is a bootstrap over images with all "
    "their objects; object_contrast_ratio is its ratio to the gate's standard deviation over images and positions.",
)
READING_JOINTS = (
    "Classes are joints: a class has the crops of people in which the joint shows, so that a crop counts for several "
    "classes. object_contrast is a spatial gate at the place of a joint less its mean over what of the crop no joint "
    "lies on, averaged over joints: above zero where spatial attention sits on joints. Its 95% interval is a bootstrap "
    "over images with the joints of all their people; object_contrast_ratio is its ratio to the gate's standard "
    "deviation over crops and positions.",
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
    shown, data = list(first.values()), sheet.data
    figures = dict(sheet.draw("gates", plot_gates(shown, width=sheet.width), gates_caption(results, data)))
    gates = pd.concat([result.gates for result in results], ignore_index=True)
    means = gates.groupby(["model", "run", "module", "gate"], sort=False)[STATISTICS].mean().reset_index()
    tables = {"Gates, mean over units": means}
    contrasts = gates.dropna(subset=["object_contrast"])[["model", "run", "module", "gate", *CONTRAST]]
    if len(contrasts):
        figures |= sheet.draw("object_contrast", plot_contrast(shown, sheet.width), contrast_caption(results, data))
        what = "at joints less beside them" if results[0].items == JOINTS else "inside objects less outside"
        tables[f"Spatial gates {what}, with 95% intervals"] = contrasts
    return Section(
        "gates",
        "Attention gates",
        figures=figures,
        tables=tables,
        methods=gates_methods(results),
        reading=(*READING, *{OBJECTS: READING_OBJECTS, JOINTS: READING_JOINTS}.get(results[0].items, ())),
    )


def _about(results: Sequence[GateResult], data: str) -> str:
    """Say which images were looked at, and how many."""
    settings = results[0].settings
    items = results[0].items
    with_items = "" if items == IMAGES else f" with {settings[items]:,} {items}"
    return f"{settings['images']:,} {_pictures(results)}{with_items} ({data})"


def _pictures(results: Sequence[GateResult]) -> str:
    """Say what the network looked at."""
    return "crops of people" if results[0].items == JOINTS else "images"


def contrast_caption(results: Sequence[GateResult], data: str) -> str:
    """Say what the figure of spatial gates on objects shows."""
    names = ", ".join(dict.fromkeys(result.model for result in results if len(contrast_rows(result))))
    of_joints = results[0].items == JOINTS
    where = "at joints less its mean beside" if of_joints else "in the boxes of objects less its mean outside"
    return (
        f"Mean of every spatial gate of {names} {where} all {results[0].items}, on {_about(results, data)}, with 95% "
        "intervals over images, in order of depth."
    )


def gates_caption(results: Sequence[GateResult], data: str) -> str:
    """Say what the figure shows, on how many images."""
    models = [result.model for result in results]
    names = ", ".join(dict.fromkeys(models))
    several = " The first training run of each is shown." if len(models) > len(set(models)) else ""
    some = "some classes" if results[0].items == IMAGES else f"{_pictures(results)} that hold some classes"
    return (
        f"Mean channel gate of the last attention module of each stage for {names}, on {_about(results, data)}: for "
        f"{some} (coloured) and all classes (grey), channels sorted by the latter."
        f"{several}"
    )


def gates_methods(results: Sequence[GateResult]) -> str:
    """Say how gates were measured."""
    settings = results[0].settings
    text = (
        f"The gates of the attention modules were recorded on {settings['images']:,} {_pictures(results)}, as in "
        f"[@hu2018]: mean and standard deviation, the shares of values below {settings['saturated_below']} and above "
        f"{settings['saturated_above']}, and the standard deviation of the class-conditional means over classes, "
        "beside what the variation of images within classes makes of it by chance."
    )
    if results[0].items == IMAGES:
        return text
    if results[0].items == JOINTS:
        return text + (
            " A class has the crops in which the joint shows. Of spatial gates we also measured the value at "
            f"{settings['joints']:,} annotated joints less the mean beside all joints, with 95% bootstrap intervals "
            "over images [@efron1993]."
        )
    return text + (
        " A class has the images that hold an object of it. Of spatial gates we also measured the mean in the boxes of "
        f"{settings['objects']:,} annotated objects less the mean outside all objects, with 95% bootstrap intervals "
        "over images [@efron1993]."
    )
