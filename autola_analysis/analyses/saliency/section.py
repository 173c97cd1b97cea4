"""What the page and a paper say of saliency maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from autola_analysis.analyses.saliency.faithfulness import SMALLEST_RISE
from autola_analysis.analyses.saliency.figure import Scale, plot_saliency
from autola_analysis.analyses.saliency.gallery import gallery
from autola_analysis.analyses.saliency.localisation import METRICS, OFFSETS
from autola_analysis.analyses.saliency.methods import METHODS, title_of
from autola_analysis.analyses.saliency.perturbation import STEPS
from autola_analysis.analyses.saliency.result import OTHER, WRONG, Picture, SaliencyResult
from autola_analysis.core.tables import rows_of, side_by_side
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

EXPLAINED = {"label": "the label of the image", "predicted": "the class that the first network predicts"}

READING = (
    "A class activation map marks where a layer's features speak for a class; an input gradient marks pixels that "
    "would change its score.",
)
MEASURED = (
    "The variant 'chance' holds two maps that know nothing of the network: a uniform one, and a Gaussian in the middle "
    "of the image. Intervals are 95% bootstrap intervals over images; from three training "
    "runs of a variant on, intervals by Student's t over runs and images together.",
    f"The metrics are {'; '.join(f'{name}: {meaning}' for name, meaning in METRICS.items())}.",
    "Precision and AUC depend on the order of a map's pixels alone: they say where it points. Energy and iou also say "
    "how peaked it is (the same map cubed has more energy), which the effective area shows. A map that is zero "
    "everywhere is a miss, 0 by every metric but the effective area and the offsets, which it does not have.",
    "Offsets speak of the grid as well. Stretched over the image, as in the literature, cell i of a layer of stride s "
    "comes to lie at s i + s/2. In a ResNet its receptive field is centred at s i + 0.5, so that maps lie half a cell "
    "too far right and down; in planted networks the offset is (s - 1)/2 pixels and vanishes with --grid "
    "receptive-field. Where kernels are as wide as their strides (patches), both are the same; trained networks may "
    "have learned to look beside the centre.",
)
FAITHFULNESS = (
    "insertion and deletion are areas under the softmax of the target while the pixels that a map ranks first enter a "
    "blurred image, or leave the image. They are scaled between that softmax on the blurred (or emptied) image and on "
    "the full one, so that a network's confidence does not count: a good map has insertion near 1 and deletion near 0. "
    f"Images on which it rises by less than {SMALLEST_RISE} have no such metric; the page counts them."
)
LIMITS = (
    "A map inside the object is no proof that the network uses the object, and the images of the gallery are examples: "
    "what holds for all images is in the table.",
)
CEILING = (
    "The ceiling is what one map of the layer's resolution reaches, made of the object's share of each cell, and no "
    "bound: a map may lie above it on an image."
)
WHERE = ("effective_area", *OFFSETS)
"""Metrics that say what a map is like rather than how well it finds the object"""
GUIDED = (
    "Guided backpropagation is known to fail the sanity check of Adebayo et al. (NeurIPS 2018): its pictures hardly "
    "change when the upper layers of a network are replaced by random ones, because it recovers the edges of the "
    "image more than what the network has learned. Read it as a picture of the input, not as evidence for a class."
)


def saliency_section(result: SaliencyResult, sheet: Sheet) -> Section:
    """Draw ``figures/saliency.*`` and return the section; the page shows the cards of a gallery instead.

    Args:
        result: Rows, means and pictures.
        sheet: What to draw on; its options say what maps are divided by.
    """
    scale: Scale = sheet.options.scale
    caption = saliency_caption(result, sheet.data, scale)
    sheet.draw("saliency", plot_saliency(result.pictures, sheet.width, scale), caption)
    tables = {}
    if measured := bool(len(result.metrics)):
        everywhere = rows_of(result.metrics, subset="all")
        # By method, so that the variants stand below each other.
        everywhere = pd.concat([rows for _, rows in everywhere.groupby(["method", "layer"], sort=False)])
        described = everywhere["metric"].isin(WHERE)
        images = f"means over {everywhere['images'].max():,} images with 95% intervals"
        tables = {
            f"How well the maps find the object: {images}": _overview(everywhere[~described]),
            f"How peaked the maps are, and how far off: {images}": _overview(everywhere[described]),
            "Where the maps lie, all numbers": result.metrics,
        }
    return Section(
        "saliency",
        "Where the networks look",
        body=gallery(result.pictures, caption, scale),
        tables=tables,
        methods=saliency_methods(result),
        references=references_beside(__file__),
        reading=[
            *READING,
            *(MEASURED if measured else []),
            *([FAITHFULNESS] if result.settings["faithfulness"] else []),
        ],
        limits=[
            *LIMITS,
            *([CEILING] if measured else []),
            *([GUIDED] if any(name.startswith("guided") for name in result.settings["methods"]) else []),
        ],
    )


def _overview(metrics: pd.DataFrame) -> pd.DataFrame:
    return side_by_side(metrics, ["method", "layer", "model"], "metric", "mean")


def saliency_caption(result: SaliencyResult, data: str, scale: Scale) -> str:
    """Say what Figure 3 shows, and with which settings."""
    settings = result.settings
    first = result.pictures[0]
    methods = ", ".join(title_of(method) for method in settings["methods"])
    variants = ", ".join(dict.fromkeys(panel.variant for panel in first.panels))
    explained = {"label": "each image's label", "predicted": "the class that the first network predicts"}
    target = explained.get(settings["target"], f"class {settings['target']}")
    parts = [
        f"{methods} for {variants} on {len(result.pictures)} images ({data}). All networks explain {target}.",
        f"The images are {settings['shown']}.{runs_shown(first)}",
        f"Below each map: the predicted class and its probability{_marks(result.pictures)}.",
    ]
    if any(panel.map.ndim == 2 for panel in first.panels):
        parts.append(f"Each map is divided by {divided_by(scale)} and laid over the grey image; {_grid(settings)}.")
    if any(panel.map.ndim == 3 for panel in first.panels):
        parts.append("Input gradients g are shown as 0.5 + 0.1 (g - mean(g)) / std(g), clipped to [0, 1].")
    if any(method.startswith("guided") for method in settings["methods"]):
        gates = "guided" if settings["guide_gates"] else "ordinary"
        parts.append(f"ReLUs inside attention gates are {gates}.")
    if any(picture.mask is not None for picture in result.pictures):
        parts.append("White line: outline of the object.")
    return " ".join(parts)


def divided_by(scale: Scale) -> str:
    """Say what maps are divided by."""
    return "its own maximum" if scale == "own" else "the largest maximum of the variants for the image"


def _marks(pictures: Sequence[Picture]) -> str:
    """Say how predictions of another class than the explained one are marked, where there are some."""
    remarks = {picture.remark(panel) for picture in pictures for panel in picture.panels}
    marks = {WRONG: "in red where it is wrong", OTHER: "in italics where it differs from the explained class"}
    return "".join(f", {mark}" for remark, mark in marks.items() if remark in remarks)


def runs_shown(picture: Picture) -> str:
    """Say which training run is shown, where a variant has several."""
    runs: dict[str, list[str]] = {}
    for panel in picture.panels:
        runs.setdefault(panel.variant, []).append(panel.run)
    shown = [f"{name}: run {of[0]} of {len(set(of))}" for name, of in runs.items()]
    several = any(len(set(of)) > 1 for of in runs.values())
    return f" Of each variant the first run is shown ({', '.join(shown)})." if several else ""


def _grid(settings: Mapping[str, Any]) -> str:
    """Say where the cells of layers are drawn."""
    if settings["grid"] == "stretched":
        return "a layer's cells divide the image among them"
    shifts = {
        f"{layer}: {cells['shift'][1]:+.1f} px to the right, {cells['shift'][0]:+.1f} px down"
        for network in settings["networks"].values()
        for layer, cells in network["cells"].items()
    }
    return f"a layer's cells lie where their receptive fields are centred ({'; '.join(sorted(shifts))})"


def saliency_methods(result: SaliencyResult) -> str:
    """Say how maps were made and measured."""
    settings = result.settings
    methods = ", ".join(
        title_of(name) + (f" [@{METHODS.get(name).citation}]" if name in METHODS else "")
        for name in settings["methods"]
    )
    layers = ", ".join(settings["layers"] or [])
    target = EXPLAINED.get(settings["target"], f"class {settings['target']}")
    text = (
        f"We explained {settings['images']:,} images by {methods}{f' (layer {layers})' if layers else ''}; all "
        f"networks explain {target}."
    )
    if any(name.startswith("guided") for name in settings["methods"]):
        kept = "guided as all others" if settings["guide_gates"] else "left ordinary"
        text += f" ReLUs inside attention gates were {kept}."
    if layers:
        text += f" To the size of the image maps were brought bilinearly; {_grid(settings)}."
    if len(result.metrics):
        text += (
            " Against the masks of the objects we report the precision at mask area: of the A highest pixels of a map "
            "the share that lies on the object, A being the number of its pixels (ties averaged). Beside it stand the "
            "area under the ROC curve of the pixels [@hanley1982], the share of a map's sum that lies inside (energy), "
            "the effective area (sum p)^2 / (n sum p^2) of its n pixels p, the pointing game with a tolerance of 15 "
            "pixels at a size of 224 [@zhang2018], the intersection over union with the region above 20% of a map's "
            "maximum, the offset of its centroid from the object's, and the precision that a map of the layer's "
            "resolution reaches that knows which share of each cell the object covers. Maps that are zero everywhere "
            "count as misses. Intervals are 95% bootstrap intervals over images [@efron1993]; from three training runs "
            "on they are over runs and images, by Student's t."
        )
    if settings["faithfulness"]:
        text += (
            f" Insertion and deletion follow [@petsiuk2018], in {STEPS} steps; their areas are scaled between the "
            "target's softmax on the blurred (or emptied) image and on the full one, so that a network's confidence "
            f"does not count, and images on which it rises by less than {SMALLEST_RISE} are left out."
        )
    return text
