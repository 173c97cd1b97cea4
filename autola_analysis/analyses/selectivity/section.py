"""What the page and a paper say of class selectivity."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from autola_analysis.analyses.background_boxes import BACKGROUND
from autola_analysis.analyses.object_items import FEWEST, IMAGES, JOINTS, OBJECTS
from autola_analysis.analyses.selectivity.figure import plot_selectivity
from autola_analysis.analyses.selectivity.jackknife import FOLDS_FOR_INTERVAL, HALVINGS
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.core.text import counted
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

READING = (
    Markup(
        "The class selectivity index of a unit is (&mu;<sub>max</sub> &minus; &mu;<sub>rest</sub>) / "
        "(&mu;<sub>max</sub> + &mu;<sub>rest</sub>) over its class-conditional mean activities: 0 for a unit that "
        "answers all classes alike, 1 for one that answers a single class (Morcos et al., ICLR 2018). The figure shows "
        "this index per unit, as the paper does. Units that never fire are <em>dead</em>, counted and left out."
    ),
    Markup(
        "The largest of noisy class means is too large, so the index is biased upward, more so with few images per "
        "class. <em>mean</em> is the plain mean over units; <em>mean_corrected</em> takes its bias off by a jackknife "
        "over folds of images, and may lie just below 0. The 95% interval, every comparison and every claim are about "
        "the corrected mean; the interval says nothing about another training run. The correction takes off all of a "
        "bias that falls as one over the number of images, and half of the bias of units that answer all classes "
        "alike. <em>null_mean</em> is the plain mean under permuted labels, with the bias of <em>mean</em>: a chance "
        "level to hold beside that one, not something to subtract."
    ),
)
READING_OBJECTS = (
    "The activity of a unit for an annotated object is the mean of its feature map over the object's box, or over its "
    "mask with the option region, every cell weighted by the share of these that lies in it; crowds and classes of "
    f"fewer than {FEWEST} objects are left out. Objects of an image are not independent, so folds are of images, with "
    "all their objects. Classes differ in size, and activity may follow size: labels of null_mean are permuted among "
    "objects of like size (COCO's small, medium and large), those of null_free among all; where null_mean is the "
    "larger of the two, sizes explain the difference. subcell counts objects that are narrower or lower than a cell of "
    "the layer, whose activity is that of their surroundings too.",
)
READING_BACKGROUND = (
    "One more class, background, holds as many random boxes of an image as it has objects: of the width and height of "
    "an object each, where no annotated object covers a tenth of them; smaller where there is no such place. A unit "
    "that prefers background answers what is beside objects.",
)
READING_IMAGES_OF_OBJECTS = (
    "Whole images are looked at, as a classifier's are, and an image may hold objects of several classes: the mean "
    "activity for a class is that over all images that hold the class, and an image counts once for every class that "
    "it holds. Classes that occur together blur each other, so that the index is lower than by objects. Classes of "
    f"fewer than {FEWEST} objects are left out. Folds are of images; labels of null_mean are permuted among all pairs "
    "of an image and a class.",
)
AMONG = {OBJECTS: " among objects of like size", JOINTS: " among joints of people of like size"}
"""Among which items labels are permuted"""
READING_JOINTS = (
    "Classes are joints. The activity of a unit for a joint is its feature map where the joint is annotated, bilinear "
    "between the centres of cells, in the crop of its person; only joints that show and lie in the crop count. Joints "
    "of an image are not independent, so folds are of images, with all joints of all their people. Labels of null_mean "
    "are permuted among joints of people of like size (COCO's small, medium and large), those of null_free among all.",
)
LIMITS = (
    "Class selectivity is neither necessary nor sufficient for performance (Leavitt and Morcos, 2020): a less "
    "selective layer is not a worse or a better one.",
    "The index overstates how well a unit detects a class: the most selective units of Gale et al. (2020) missed many "
    "images of their class or fired for many others. What signal detection says of a unit, the area under its ROC "
    "curve, is measured with the option auc.",
)


def selectivity_section(results: Sequence[SelectivityResult], sheet: Sheet) -> Section:
    """Draw ``figures/selectivity.*`` and return the section.

    Args:
        results: In the order they are shown.
        sheet: What to draw on.
    """
    caption = selectivity_caption(results, sheet.data)
    return Section(
        "selectivity",
        "Class selectivity",
        figures=sheet.draw("selectivity", plot_selectivity(results, sheet.width), caption),
        tables={"Selectivity by layer": _summary(results)},
        methods=selectivity_methods(results),
        references=references_beside(__file__),
        reading=(*READING, *_reading(results[0])),
        limits=LIMITS,
    )


def _reading(result: SelectivityResult) -> Sequence[str]:
    """Return how to read the numbers where images hold objects."""
    if not result.holds_objects:
        return ()
    if result.items == IMAGES:
        return READING_IMAGES_OF_OBJECTS
    if result.items == JOINTS:
        return READING_JOINTS
    return (*READING_OBJECTS, *(READING_BACKGROUND if result.settings["background"] else ()))


def _summary(results: Sequence[SelectivityResult]) -> pd.DataFrame:
    """Return the rows of all networks, without the columns that say something of objects where there are none."""
    summary = pd.concat([result.summary for result in results], ignore_index=True)
    return summary if results[0].items != IMAGES else summary.drop(columns=["null_free", "subcell", "items"])


def _items(result: SelectivityResult) -> str:
    """Say on how many images or objects of how many classes a network was measured."""
    counts = result.items_per_class
    classes = sum(count > 0 for count in counts.values())
    if not result.holds_objects:
        return f"{sum(counts.values()):,} {result.items} of {classes} classes"
    images = counted(result.settings["images"], "image")
    if result.items == IMAGES:
        return f"{images} that hold {classes} classes, {sum(counts.values()):,} pairs of an image and a class"
    beside = counts.get(BACKGROUND, 0) if result.settings["background"] else 0
    background = f" and {counted(beside, 'box')} of background" if beside else ""
    what = f"{sum(counts.values()) - beside:,} {result.items} of {classes - (beside > 0)} classes"
    return f"{what}{background} in {images}"


def _activity(result: SelectivityResult) -> str:
    """Say what the activity of a unit is."""
    rectified = " with negative values set to zero" if result.settings["rectify"] else " after the ReLU"
    if result.items == JOINTS:
        return f"its feature map{rectified} at the annotated place of a joint, bilinear between the centres of cells"
    if result.items == OBJECTS and result.settings["region"] == "mask":
        return f"the mean of its feature map{rectified} over the mask of an object, cells weighted by their share of it"
    if result.items == OBJECTS:
        return (
            f"the mean of its feature map{rectified} over the annotated box of an object, cells weighted by their "
            "overlap with the box"
        )
    return f"the spatial mean of its feature map{rectified}"


def selectivity_caption(results: Sequence[SelectivityResult], data: str) -> str:
    """Say what Figure 1 shows, on how many images, with which settings."""
    first = results[0]
    runs = {result.model: sum(other.model == result.model for other in results) for result in results}
    pooled = " Units of the runs of a variant are pooled." if max(runs.values()) > 1 else ""
    chance = (
        f" Dotted lines: mean over units under permuted labels ({first.settings['permutations']} permutations"
        f"{AMONG.get(first.items, '')})."
        if first.settings["permutations"]
        else ""
    )
    return (
        f"Class selectivity index of the units of {', '.join(dict.fromkeys(x for r in results for x in r.layers))} "
        f"on {_items(first)} ({data}), for {', '.join(runs)}. "
        f"A unit's activity is {_activity(first)}; "
        "curves are kernel densities over live units, scaled to equal height, ticks their medians. "
        "The index is the plain one of the paper; comparisons use means that are corrected for its bias."
        + chance
        + pooled
    )


def _folds_of_objects(result: SelectivityResult) -> str:
    if not result.holds_objects:
        return ""
    what = "classes" if result.items == IMAGES else result.items
    return f" with their {what}, classes spread over them [@sechidis2011]"


def selectivity_methods(results: Sequence[SelectivityResult]) -> str:
    """Say how class selectivity was measured."""
    first = results[0]
    settings = first.settings
    layers = ", ".join(dict.fromkeys(layer for result in results for layer in result.layers))
    dead = sum(int(result.summary["dead"].sum()) for result in results)
    units = sum(int(result.summary["units"].sum()) for result in results)
    text = (
        f"The class selectivity index [@morcos2018] of the units (channels) of {layers} was measured on "
        f"{_items(first)}. The activity of a unit is {_activity(first)}; with the "
        "largest class-conditional mean activity and the mean of those of the other classes, every class weighing the "
        "same, the index is their difference divided by their sum. "
        f"Units that never fired ({dead:,} of {units:,}) were left out."
    )
    if first.holds_objects and settings["background"]:
        text += (
            " Beside the objects of an image as many random boxes of the same sizes, of each of which no object covers "
            "a tenth, are one more class."
        )
    elif first.holds_objects and first.items == IMAGES:
        text += " The mean activity for a class is that over the images that hold an object of the class."
    if settings["permutations"]:
        times = "one permutation" if settings["permutations"] == 1 else f"{settings['permutations']} permutations"
        text += f" The chance level is the mean index under {times} of the labels{AMONG.get(first.items, '')}."
    if settings["folds"] >= 2:
        text += (
            " The mean index over units is biased upward by the noise of class means; means that are compared are "
            f"corrected by a jackknife over {settings['folds']} folds of images"
            f"{_folds_of_objects(first)} [@quenouille1956; @efron1993], figures show the plain index."
        )
    if settings["folds"] >= FOLDS_FOR_INTERVAL:
        text += (
            " Intervals are 95% jackknife intervals around the corrected mean, with what the correction adds to the "
            f"variance estimated from {HALVINGS} ways to halve the images [@shao1989]."
        )
    if settings["auc"]:
        text += (
            " The area under the ROC curve of a unit's activity is for its preferred class against all others, the "
            "class chosen on other folds of images."
        )
    return text + (
        " Class selectivity is neither necessary nor sufficient for performance [@leavitt2020], and the index "
        "overstates how well a unit detects a class [@gale2020]."
    )
