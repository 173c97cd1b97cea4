"""The saliency part of a report: tables, Figure 3, the sanity curve, raw maps, the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autola_analysis.analyses.saliency.result import Picture, SaliencyResult
from autola_analysis.figures.saliency import TITLES, Scale, plot_saliency, plot_sanity
from autola_analysis.report.figures import write_figure
from autola_analysis.report.page import write_page

SANITY_CSV = ["model", "run", "method", "layer", "randomised_to", "rank_correlation", "images", "undefined"]

READING = (
    "A class activation map marks where a layer's features speak for a class; an input gradient marks pixels that "
    "would change its score. energy is the share of a map that lies inside the object; pointing is the share of "
    "images whose maximum lies on the object or within 15 pixels of it at a size of 224; iou compares the object with "
    "where a map reaches 20% of its maximum. A map that is zero everywhere is a miss. The variant 'chance' holds two "
    "maps that know nothing of the network: a uniform one, and a Gaussian in the middle of the image. Intervals are "
    "95% bootstrap intervals over images; from three training runs of a variant on, over runs and images.",
    "Guided backpropagation is known to fail the sanity check of Adebayo et al. (NeurIPS 2018): its pictures hardly "
    "change when the upper layers of a network are replaced by random ones, because it recovers the edges of the "
    "image more than what the network has learned. Read it as a picture of the input, not as evidence for a class.",
)


def write_saliency(
    directory: Path,
    result: SaliencyResult,
    accuracy: pd.DataFrame,
    sanity: pd.DataFrame | None,
    data: str,
    width: str | float = "neurips",
    scale: Scale = "own",
) -> None:
    """Write ``tables/``, ``figures/saliency.*``, ``figures/sanity.*`` where asked for, ``arrays/``, ``index.html``.

    Args:
        directory: The report under construction.
        result: Rows, means and pictures.
        accuracy: Table of accuracy and cost.
        sanity: Rows of the sanity checks; None where there was none.
        data: What the networks were run on, for caption and page.
        width: Of the figures.
        scale: What maps are divided by in the figure.
    """
    tables = directory / "tables"
    tables.mkdir()
    result.images.to_csv(tables / "saliency_images.csv", index=False)
    result.metrics.to_csv(tables / "saliency_metrics.csv", index=False)
    accuracy.to_csv(tables / "accuracy.csv", index=False)
    figures = {"saliency": saliency_caption(result, data, scale)}
    write_figure(plot_saliency(result.pictures, width, scale), directory, "saliency", figures["saliency"])
    shown = {"Where the maps lie": result.metrics} if len(result.metrics) else {}
    if sanity is not None:
        sanity.to_csv(tables / "sanity.csv", index=False, columns=SANITY_CSV)
        figures["sanity"] = (
            "Sanity check: mean rank correlation of the maps with those of the trained network while its weights are "
            f"drawn anew from the head down, on {int(sanity['images'].max())} images ({data})."
        )
        write_figure(plot_sanity(sanity, width), directory, "sanity", figures["sanity"])
    _write_maps(directory / "arrays", result.pictures)
    write_page(
        directory,
        title="Saliency",
        figures=figures,
        tables=shown | {"Accuracy and cost": accuracy},
        reading=READING,
        warnings=result.warnings,
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


def _write_maps(folder: Path, pictures: Sequence[Picture]) -> None:
    """Write what the figure was drawn from: images, masks and raw maps, under the number of the image's row."""
    folder.mkdir()
    arrays: dict[str, Any] = {"images": np.array([picture.image for picture in pictures])}
    for row, picture in enumerate(pictures):
        arrays[f"{row}/pixels"] = picture.pixels
        if picture.mask is not None:
            arrays[f"{row}/mask"] = picture.mask
        for panel in picture.panels:
            arrays[f"{row}/{panel.variant}/{panel.run}/{panel.method}/{panel.layer or ''}"] = panel.map
    np.savez(folder / "saliency_maps.npz", **arrays)
