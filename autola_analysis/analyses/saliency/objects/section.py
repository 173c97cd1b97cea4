"""What the page and a paper say of maps of single objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from autola_analysis.analyses.saliency.faithfulness import SCALED, SMALLEST_RISE
from autola_analysis.analyses.saliency.figure import Scale, first_runs, plot_saliency
from autola_analysis.analyses.saliency.gallery import gallery
from autola_analysis.analyses.saliency.items.result import ALL
from autola_analysis.analyses.saliency.items.words import citation, in_turn, metric_tables
from autola_analysis.analyses.saliency.methods import title_of
from autola_analysis.analyses.saliency.objects.batch import MISSED
from autola_analysis.analyses.saliency.objects.crops import cropped
from autola_analysis.analyses.saliency.objects.faithfulness import REACH
from autola_analysis.analyses.saliency.objects.localise import BOX_ONLY, OBJECT_METRICS, PREDICTED, UNBOUNDED
from autola_analysis.analyses.saliency.objects.result import ALL_DETECTED, ObjectSaliencyResult
from autola_analysis.analyses.saliency.perturbation import STEPS
from autola_analysis.analyses.saliency.result import Picture
from autola_analysis.analyses.saliency.section import GUIDED, LIMITS, divided_by, runs_shown
from autola_analysis.core.text import counted
from autola_analysis.report.references import read_references
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

EXPLAINED = {
    "object": "annotated objects, each by the candidate with an IoU of at least 0.5 that finds its class most probable",
    "detection": "what the first network detects",
    "given-box": "annotated objects, with their boxes as the regions that the head reads",
}
READING = (
    "Explained is the score of one candidate (a default box, a proposal) for one class, before suppression, with the "
    "candidate's place held fixed: why this class is seen in this region. Grad-CAM weighs a layer's channels by their "
    "mean gradient, so that it lights other objects of the class, too; ODAM multiplies activation and gradient cell by "
    "cell, and is zero where the candidate does not look.",
)
MEASURED = (
    f"The metrics are {'; '.join(f'{name}: {meaning}' for name, meaning in OBJECT_METRICS.items())}.",
    "Objects of an image are averaged first; intervals are over images. The variant 'chance' holds a uniform map and a "
    f"Gaussian in the middle of the image. {BOX_ONLY[0]} and {BOX_ONLY[1]} are maps that know nothing of a network but "
    "the box that it predicts: a map that is no better tells nothing beyond that box.",
)
SUPPORT = (
    "A head reads a layer through few cells, and gradients are zero elsewhere: the column support of "
    "saliency_objects.csv is the share of cells that have one."
)
FAITHFULNESS = (
    "insertion and deletion are areas under how surely the object is found while the pixels that a map ranks first "
    "enter a blurred image, or leave the image: the largest IoU with its box times probability of its class over all "
    f"candidates before suppression. Pixels move in {STEPS} steps up to {REACH} areas of the box. The areas are scaled "
    "between the value on the blurred (or emptied) image and that on the full one, so that a network's confidence does "
    f"not count: of two maps the one with more insertion and less deletion is better. {BOX_ONLY[0]} and {BOX_ONLY[1]} "
    "show what knowing the box alone reaches. Objects for which the value rises by less than "
    f"{SMALLEST_RISE} have no such metric; the page counts them."
)
SUBSETS = {ALL: "all objects", ALL_DETECTED: "objects that every network detects"}


def object_section(result: ObjectSaliencyResult, sheet: Sheet) -> Section:
    """Draw ``figures/saliency_objects.*`` and a figure per image, and return the section.

    Args:
        result: Rows, means and pictures.
        sheet: What to draw on; its options say what maps are divided by, and how many objects are shown.
    """
    scale: Scale = sheet.options.scale
    body = Markup("<p>{}</p>").format(" ".join(result.warnings) or "Nothing was explained.")
    if result.pictures:
        shown = _examples(result, sheet.options.show)
        what = "Objects, in squares twice as wide as their boxes"
        caption = object_caption(result, shown, sheet.data, scale, what, " in the square")
        sheet.draw("saliency_objects", plot_saliency([cropped(each) for each in shown], sheet.width, scale), caption)
        body = gallery(result.pictures, object_caption(result, shown, sheet.data, scale, "Objects"), scale)
    for number, (_, pictures) in enumerate(_by_image(result.pictures).items(), start=1):
        caption = object_caption(result, pictures, sheet.data, scale, "Objects of one image")
        sheet.draw(f"saliency_image_{number}", plot_saliency(pictures, sheet.width, scale), caption)
    measured = bool(result.objects["annotation"].notna().any())
    guided = any(name.startswith("guided") for name in result.settings["methods"])
    return Section(
        "saliency",
        "Where the networks look when they find objects",
        body=body,
        tables=section_tables(result, measured),
        methods=object_methods(result, measured),
        references=read_references(Path(__file__).parents[1]),
        reading=[
            *READING,
            *(MEASURED if measured else []),
            *([FAITHFULNESS] if result.settings["faithfulness"] else []),
            SUPPORT,
        ],
        limits=[*LIMITS, *([GUIDED] if guided else [])],
    )


def object_caption(
    result: ObjectSaliencyResult, pictures: Sequence[Picture], data: str, scale: Scale, what: str, where: str = ""
) -> str:
    """Say what a figure of objects shows, and with which settings.

    Args:
        result: What is drawn.
        pictures: Those of the figure.
        data: What captions call the images.
        scale: What maps are divided by.
        what: Beginning of the caption.
        where: In which part of the image the maximum is taken.
    """
    settings = result.settings
    methods = ", ".join(title_of(method) for method in settings["methods"])
    panels = first_runs(pictures[0].panels)
    variants = ", ".join(dict.fromkeys(panel.variant for panel in panels))
    parts = [
        f"{what}: {methods} for {variants} ({data}). Explained are {EXPLAINED[settings['target']]}.",
        f"The images are {settings['shown']}.{runs_shown(pictures[0])}",
        f"Below each map: the class and its probability{_marks(pictures)}.",
        "Blue: the box that the network predicts, in the input that of the first network.",
    ]
    if any(picture.mask is not None for picture in pictures):
        parts.append("White: the annotated object.")
    if any(panel.map.ndim == 2 for panel in panels):
        parts.append(f"Each map is divided by {divided_by(scale)}{where} and laid over the grey image.")
    if any(panel.map.ndim == 3 for panel in panels):
        parts.append("Input gradients g are shown as 0.5 + 0.1 (g - mean(g)) / std(g), clipped to [0, 1].")
    return " ".join(parts)


def _marks(pictures: Sequence[Picture]) -> str:
    """Say how objects are marked that a network does not detect, where there are some."""
    remarks = {picture.remark(panel) for picture in pictures for panel in picture.panels}
    return f"; {MISSED!r} where the network has no detection there" if remarks - {""} else ""


def object_methods(result: ObjectSaliencyResult, measured: bool) -> str:
    """Say how maps of objects were made and measured."""
    settings = result.settings
    methods = ", ".join(f"{title_of(name)} [@{citation(name)}]" for name in settings["methods"])
    layers = ", ".join(settings["layers"])
    score = "logit of the class" if settings["score"] == "logit" else "logit of the class less that of the background"
    text = (
        f"We explained {counted(settings['objects'], 'object')} in {counted(settings['images'], 'image')} by {methods}"
        f"{f' (layer {layers})' if layers else ''}: {EXPLAINED[settings['target']]}. The score is the {score} of one "
        "candidate before suppression; its place is held fixed."
    )
    if settings["target"] == "detection":
        text += f" Detections have a probability above {settings['threshold']:g}; at most {settings['most']} per image."
    if measured:
        text += (
            " Against the annotated objects we report the precision at box area, the energy in the box, on the mask "
            "and on other objects, the object discrimination index [@zhao2023], and the pointing game with a tolerance "
            "of 15 pixels at a size of 224 [@zhang2018], beside maps that know nothing but the predicted box. Objects "
            "of an image are averaged first; intervals are 95% bootstrap intervals over images [@efron1993], from "
            "three training runs on over runs and images, by Student's t."
        )
    if settings["faithfulness"]:
        text += (
            f" Insertion and deletion follow [@petsiuk2018]: pixels enter or leave in {STEPS} steps up to {REACH} "
            "areas of the object's box, and the value is the largest IoU with that box times probability of the class "
            "over all candidates before suppression; areas are scaled between its value on the blurred (or emptied) "
            "image and on the full one, so that a network's confidence does not count, and objects for which it rises "
            f"by less than {SMALLEST_RISE} are left out."
        )
    return text


def _examples(result: ObjectSaliencyResult, most: int) -> list[Picture]:
    """Return the objects to show together: those that all networks detect first, an object of every image in turn."""
    by_image = [
        sorted(pictures, key=lambda picture: any(picture.remark(panel) for panel in picture.panels))
        for pictures in _by_image(result.pictures).values()
    ]
    return in_turn(by_image)[:most]


def _by_image(pictures: Sequence[Picture]) -> dict[str, list[Picture]]:
    by_image: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_image.setdefault(picture.image, []).append(picture)
    return by_image


def section_tables(result: ObjectSaliencyResult, measured: bool) -> Mapping[str, pd.DataFrame]:
    """Return the tables of the page: metrics as columns for the eye, and all numbers."""
    if result.metrics.empty:
        return {}
    shown = result.metrics if measured else result.metrics[result.metrics["metric"] == PREDICTED]
    tables = metric_tables(shown, SUBSETS, (*UNBOUNDED, *SCALED))
    faithful = result.metrics[result.metrics["metric"].isin(SCALED)]
    tables |= metric_tables(faithful, SUBSETS, (), "What the networks use of what the maps mark")
    return tables | {"Where the maps lie, all numbers": result.metrics}
