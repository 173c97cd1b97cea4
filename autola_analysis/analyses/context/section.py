"""What the page and a paper say of context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from autola_analysis.analyses.context.figure import plot_altered_images, plot_context
from autola_analysis.analyses.context.kinds import CLUTTER, OBJECT_ONLY, OTHER_CLASS, PASTED_BACK, SAME_CLASS
from autola_analysis.analyses.context.plan import DONORS_DRAWN
from autola_analysis.analyses.context.result import ContextResult
from autola_analysis.core.tables import side_by_side
from autola_analysis.core.text import counted
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

MEANINGS = {
    PASTED_BACK: "the object was put back on its own surroundings",
    SAME_CLASS: "the object was put on the background of another image of its class",
    OTHER_CLASS: "the object was put on the background of an image of another class",
    CLUTTER: "the clutter was exchanged for that of another image of the class",
    OBJECT_ONLY: "everything but the object was blurred",
}
READING = (
    "The paper explains what it sees of HOGA by context, which is to help where a pattern is ambiguous by itself. A "
    "network that recognises objects by their surroundings loses accuracy when these are exchanged or blurred; one "
    "that looks at the object alone does not. So if a module helps by context, its variant should lose more than the "
    "others. A smaller loss says that it depends less on what surrounds an object. Drops are those of accuracy, or of "
    "the softmax of the true class, below the control, image by image. A background of another class misleads where "
    "that of the same class does not: the difference of the two is what a network reads from backgrounds about classes."
)
LIMITS = (
    "The question of context is ours, not the paper's: the paper offers context as an explanation and does not test "
    "it.",
    "Where backgrounds have nothing to do with classes, as in ClutteredDigits, no network can gain by them: a drop "
    "then says how much unfamiliar surroundings disturb, and none says nothing of images in which surroundings help.",
    "Blurred surroundings are unlike any image of the training, so that a drop on objects alone is not only due to the "
    "context that is missing; and a blur takes away clutter, so that accuracy can rise.",
)


def context_section(result: ContextResult, sheet: Sheet) -> Section:
    """Draw ``figures/context.*`` and ``figures/context_images.*`` and return the section.

    Args:
        result: Of the measurement.
        sheet: What to draw on.
    """
    figures = dict(sheet.draw("context", plot_context(result, sheet.width), context_caption(result, sheet.data)))
    pictures = plot_altered_images(result.pictures, sheet.width)
    figures |= sheet.draw("context_images", pictures, pictures_caption(result, sheet.data))
    return Section(
        "context",
        "Do the networks use context?",
        figures=figures,
        tables={"Accuracy and score by surroundings": _side_by_side(result)},
        methods=context_methods(result),
        references=references_beside(__file__),
        reading=(READING, control_sentence(result)),
        limits=LIMITS,
    )


def _side_by_side(result: ContextResult) -> pd.DataFrame:
    return side_by_side(result.summary, ["metric", "kind", "images"], "model", "value")


def control_sentence(result: ContextResult) -> str:
    """Say what the control is, and what the cut alone does."""
    settings = result.settings
    if settings["exact"]:
        return (
            "The source paints objects on backgrounds, so that objects were painted anew and nothing had to be cut "
            "out: an object that is put back on its own surroundings gives the same image to the last bit. The control "
            "(pasted-back) is therefore the image as it is."
        )
    cut = "along its box, which holds some background too" if settings["boxes"] else "along its mask"
    return (
        f"The object was cut out {cut}. Where the donor's object had been, its background was filled from the pixels "
        "around. The control (pasted-back) is the image as it is with the same place filled, and its object put back."
    )


def context_caption(result: ContextResult, data: str) -> str:
    """Say what the figure of accuracies shows, on how many images."""
    settings = result.settings
    images = counted(settings["images"], "image")
    several = (
        f" Dots are means over the runs of a variant; from {RUNS_FOR_MODULES} runs on, intervals are over runs and "
        "images together."
        if result.summary["runs"].max() > 1
        else ""
    )
    control = "the image as it is" if settings["exact"] else "the object pasted back on its own surroundings"
    missing = _left_out(settings)
    missing = f" Images without surroundings of enough contrast are left out: {missing}." if missing else ""
    boxes = " The object is its box, a rectangle." if settings["boxes"] else ""
    return (
        f"Top-1 accuracy of {', '.join(result.models)} on {images} ({data}, drawn at random with each class in "
        f"proportion), as they are and with other surroundings (left), and how far it lies below the control, "
        f"{control}, image by image (right), with 95% intervals.{missing}{boxes}{several}"
    )


def _left_out(settings: Mapping[str, Any]) -> str:
    """Return how many images were left out, by kind; nothing for none."""
    return ", ".join(f"{count:,} for {kind}" for kind, count in settings["left_out"].items() if count)


def pictures_caption(result: ContextResult, data: str) -> str:
    """Say what the pictures show."""
    shown = [kind for kind in result.kinds if kind in MEANINGS]
    meanings = "; ".join(f"{kind.replace('-', ' ')}: {MEANINGS[kind]}" for kind in shown)
    return (
        f"{counted(len(result.pictures), 'image')} ({data}, drawn at random) and what was made of "
        f"{'it' if len(result.pictures) == 1 else 'them'}. {meanings[0].upper()}{meanings[1:]}. The blur has a "
        f"standard deviation of {result.settings['blur']:g} of the shorter side."
    )


def context_methods(result: ContextResult) -> str:
    """Say how context was measured."""
    settings = result.settings
    cut = (
        "Objects and backgrounds were painted anew by the generator of the data, without a cut"
        if settings["exact"]
        else f"Objects were cut out along their {'boxes' if settings['boxes'] else 'masks'}, and what they left was "
        "filled by push-pull interpolation [@gortler1996]"
    )
    kinds = "; ".join(MEANINGS[kind] for kind in settings["kinds"])
    return (
        f"To see what networks take from context, the surroundings of the objects of {settings['images']:,} images "
        f"were altered after [@xiao2021]: {kinds} (Gaussian of {settings['blur']:g} of the shorter side, where it was "
        f"blurred). {cut}. For each object {DONORS_DRAWN} images were drawn, of which the one was taken on which "
        "the contrast (of the mean of the object to the mean of the pixels it covers) was nearest to the contrast in "
        f"the image as it is, and at least {settings['least_contrast']:.0f} grey levels, the least in the data; where "
        f"there was none, the image was left out ({_left_out(settings) or 'none was'}). Reported are accuracy and the "
        "softmax of the true class, and their differences from the object pasted back on its own surroundings, paired "
        "over images."
    )
