"""The saliency part of a report: tables, raw maps, Figure 3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.result import Panel, Picture, SaliencyResult
from autola_analysis.figures.saliency import TITLES, Scale, plot_saliency
from autola_analysis.report.arrays import read_arrays, write_arrays
from autola_analysis.report.figures import write_figure
from autola_analysis.report.gallery import gallery
from autola_analysis.report.methods import saliency_paragraph
from autola_analysis.report.section import Section
from autola_analysis.report.tables import read_table, rows_of, side_by_side, write_table

PANEL_FACTS = ("variant", "run", "method", "layer", "predicted", "probability", "score", "status")

READING = (
    "A class activation map marks where a layer's features speak for a class; an input gradient marks pixels that "
    "would change its score. energy is the share of a map that lies inside the object; pointing is the share of "
    "images whose maximum lies on the object or within 15 pixels of it at a size of 224; iou compares the object with "
    "where a map reaches 20% of its maximum. A map that is zero everywhere is a miss. The variant 'chance' holds two "
    "maps that know nothing of the network: a uniform one, and a Gaussian in the middle of the image. Intervals are "
    "95% bootstrap intervals over images; from three training runs of a variant on, intervals by Student's t over runs "
    "and images together.",
)
LIMITS = (
    "A map inside the object is no proof that the network uses the object, and the images of the gallery are examples: "
    "what holds for all images is in the table.",
)
GUIDED = (
    "Guided backpropagation is known to fail the sanity check of Adebayo et al. (NeurIPS 2018): its pictures hardly "
    "change when the upper layers of a network are replaced by random ones, because it recovers the edges of the "
    "image more than what the network has learned. Read it as a picture of the input, not as evidence for a class."
)


def write_saliency(directory: Path, result: SaliencyResult) -> None:
    """Write ``tables/saliency_*.csv`` and ``arrays/saliency_maps.npz``."""
    write_table(directory, "saliency_images", result.images)
    write_table(directory, "saliency_metrics", result.metrics)
    _write_maps(directory, result)


def read_saliency(directory: Path) -> SaliencyResult:
    """Read what `write_saliency` wrote; warnings are in ``run.json``.

    Raises:
        ReportError: If something is missing.
    """
    arrays, about = read_arrays(directory, "saliency_maps")
    pictures = []
    for row, picture in enumerate(about["pictures"]):
        panels = [
            Panel(
                **panel,
                map=arrays[_key(row, panel)],
                pixels=arrays.get(f"{_key(row, panel)}/pixels"),
                mask=arrays.get(f"{_key(row, panel)}/mask"),
            )
            for panel in picture["panels"]
        ]
        pictures.append(
            Picture(
                image=picture["image"],
                pixels=arrays[f"{row}/pixels"],
                mask=arrays.get(f"{row}/mask"),
                label=picture["label"],
                target=picture["target"],
                panels=panels,
            )
        )
    return SaliencyResult(
        images=read_table(directory, "saliency_images"),
        metrics=read_table(directory, "saliency_metrics"),
        pictures=pictures,
        settings=about["settings"],
    )


def saliency_section(
    directory: Path, result: SaliencyResult, data: str, width: str | float = "neurips", scale: Scale = "own"
) -> Section:
    """Draw ``figures/saliency.*`` and return the section.

    Args:
        directory: The report.
        result: Rows, means and pictures.
        data: What the networks were run on, for the caption.
        width: Of the figure.
        scale: What maps are divided by in the figure.
    """
    caption = saliency_caption(result, data, scale)
    write_figure(plot_saliency(result.pictures, width, scale), directory, "saliency", caption)
    tables = {}
    if len(result.metrics):
        everywhere = rows_of(result.metrics, subset="all")
        # By method, so that the variants stand below each other.
        everywhere = pd.concat([rows for _, rows in everywhere.groupby(["method", "layer"], sort=False)])
        overview = side_by_side(everywhere, ["method", "layer", "model"], "metric", "mean")
        tables = {
            f"Where the maps lie: means over {everywhere['images'].max():,} images with 95% intervals": overview,
            "Where the maps lie, all numbers": result.metrics,
        }
    return Section(
        "saliency",
        "Where the networks look",
        body=gallery(result.pictures, caption, scale),
        tables=tables,
        methods=saliency_paragraph(result),
        reading=READING,
        limits=[*LIMITS, *([GUIDED] if any(name.startswith("guided") for name in result.settings["methods"]) else [])],
    )


def saliency_caption(result: SaliencyResult, data: str, scale: Scale) -> str:
    """Say what Figure 3 shows, and with which settings."""
    settings = result.settings
    first = result.pictures[0]
    methods = ", ".join(TITLES.get(method, method) for method in settings["methods"])
    variants = ", ".join(dict.fromkeys(panel.variant for panel in first.panels))
    explained = {"label": "each image's label", "predicted": "the class that the first network predicts"}
    target = explained.get(settings["target"], f"class {settings['target']}")
    divided = "its own maximum" if scale == "own" else "the largest maximum of the variants for the image"
    parts = [
        f"{methods} for {variants} on {len(result.pictures)} images ({data}). All networks explain {target}.",
        "Below each map: the predicted class and its probability, in red where it is not the target.",
    ]
    if any(panel.map.ndim == 2 for panel in first.panels):
        parts.append(f"Each map is divided by {divided} and laid over the grey image.")
    if any(panel.map.ndim == 3 for panel in first.panels):
        parts.append("Input gradients g are shown as 0.5 + 0.1 (g - mean(g)) / std(g), clipped to [0, 1].")
    if any(method.startswith("guided") for method in settings["methods"]):
        gates = "guided" if settings["guide_gates"] else "ordinary"
        parts.append(f"ReLUs inside attention gates are {gates}.")
    if any(picture.mask is not None for picture in result.pictures):
        parts.append("White line: outline of the object.")
    return " ".join(parts)


def _write_maps(directory: Path, result: SaliencyResult) -> None:
    """Write what the figure is drawn from: images, masks and raw maps, under the number of the image's row."""
    arrays: dict[str, Any] = {"images": np.array([picture.image for picture in result.pictures])}
    pictures = []
    for row, picture in enumerate(result.pictures):
        arrays |= _array(f"{row}/pixels", picture.pixels) | _array(f"{row}/mask", picture.mask)
        panels = []
        for panel in picture.panels:
            facts = {name: getattr(panel, name) for name in PANEL_FACTS}
            key = _key(row, facts)
            arrays[key] = panel.map
            if not _same_view(panel, picture):
                arrays |= _array(f"{key}/pixels", panel.pixels) | _array(f"{key}/mask", panel.mask)
            panels.append(facts)
        pictures.append({"image": picture.image, "label": picture.label, "target": picture.target, "panels": panels})
    about = {"pictures": pictures, "settings": dict(result.settings)}
    write_arrays(directory, "saliency_maps", arrays, about)


def _key(row: int, panel: Mapping[str, Any]) -> str:
    return f"{row}/{panel['variant']}/{panel['run']}/{panel['method']}/{panel['layer'] or ''}"


def _array(key: str, array: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    return {} if array is None else {key: array}


def _same_view(panel: Panel, picture: Picture) -> bool:
    """Return whether a network sees the image as the first one does, so that its pixels need not be kept again."""
    if panel.pixels is None:
        return True
    if (panel.mask is None) != (picture.mask is None):
        return False
    masks_agree = panel.mask is None or np.array_equal(panel.mask, np.asarray(picture.mask))
    return masks_agree and np.array_equal(panel.pixels, picture.pixels)
