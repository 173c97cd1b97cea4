"""Figure 3 for the screen: a card per image, the variants side by side."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.analyses.saliency.figure import (
    BOX,
    Scale,
    first_runs,
    gradient_display,
    largest_value,
    overlay,
)
from autola_analysis.analyses.saliency.methods import title_of
from autola_analysis.analyses.saliency.result import Panel, Picture
from autola_analysis.report.templating import render

TILE = 128  # pixels: smaller images are enlarged by a whole factor, so that their pixels stay square
STORED_AS_JPEG = 96  # pixels: photographs from this size on


@dataclass(frozen=True)
class Tile:
    """A map ready to be shown.

    Attributes:
        uri: The picture.
        predicted: Class that the network predicts, with its probability.
        remark: What is said of that, see `Picture.remark`.
        status: What is wrong with the map; "ok" where nothing is.
        alt: What the picture shows.
    """

    uri: str
    predicted: str
    remark: str
    status: str
    alt: str


@dataclass(frozen=True)
class Card:
    """An image with its maps.

    Attributes:
        picture: Names of image, class, target.
        uri: The input, with the outline of the object where that is known.
        rows: Title of a method -> a tile per variant; None where there is none.
    """

    picture: Picture
    uri: str
    rows: dict[str, list[Tile | None]]


def gallery(pictures: Sequence[Picture], caption: str, scale: Scale = "own") -> Markup:
    """Return the cards of images; of a variant with several runs, the first is shown.

    Args:
        pictures: Images with their maps.
        caption: Of the figure for print.
        scale: "own" divides each map by its own maximum, "shared" by the largest of the variants for the image.
    """
    variants = list(dict.fromkeys(panel.variant for picture in pictures for panel in picture.panels))
    cards = [_card(picture, variants, scale) for picture in pictures]
    return render("gallery.html.j2", __package__, cards=cards, variants=variants, caption=caption)


def _card(picture: Picture, variants: Sequence[str], scale: Scale) -> Card:
    panels = first_runs(picture.panels)
    found = {(panel.method, panel.layer, panel.variant): panel for panel in panels}
    rows = {}
    for method, layer in dict.fromkeys((panel.method, panel.layer) for panel in panels):
        group = [found.get((method, layer, variant)) for variant in variants]
        shared = max(largest_value(panel.map) for panel in group if panel is not None) if scale == "shared" else None
        title = title_of(method) + (f", {layer}" if layer else "")
        rows[title] = [None if panel is None else _tile(picture, panel, title, shared) for panel in group]
    return Card(picture, _uri(picture.pixels, picture.mask, panels[0].box if panels else None), rows)


def _tile(picture: Picture, panel: Panel, title: str, shared: float | None) -> Tile:
    if panel.map.ndim == 2:
        pixels, mask = (picture.pixels, picture.mask) if panel.pixels is None else (panel.pixels, panel.mask)
        shown = overlay(pixels, panel.map, shared)
    else:  # an outline would hide the edges that these pictures consist of
        shown, mask = gradient_display(panel.map), None
    return Tile(
        uri=_uri((255 * shown).round().astype(np.uint8), mask, panel.box),
        predicted=f"{panel.predicted} ({panel.probability:.2f})",
        remark=picture.remark(panel),
        status=panel.status,
        alt=f"{title} of {panel.variant} for {picture.target} in {picture.image}",
    )


def _uri(pixels: NDArray[np.uint8], mask: NDArray[np.bool_] | None, box: Sequence[float] | None = None) -> str:
    """Return a picture as a data URI, small ones enlarged, outlines in white beside black, boxes in blue."""
    factor = max(1, TILE // max(pixels.shape[:2]))
    shown = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    if mask is not None and mask.any():
        inside = mask.repeat(factor, axis=0).repeat(factor, axis=1)
        shown[_border(inside)] = 255
        shown[_border(~inside) & ~inside] = 0
    if box is not None:
        x1, y1, x2, y2 = (round(value * factor) for value in box)
        framed = np.zeros(shown.shape[:2], dtype=np.bool_)
        framed[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True
        shown[_border(framed)] = tuple(bytes.fromhex(BOX[1:]))
    file = BytesIO()
    if max(pixels.shape[:2]) >= STORED_AS_JPEG:
        Image.fromarray(shown).save(file, "JPEG", quality=88)
        kind = "jpeg"
    else:
        Image.fromarray(shown).save(file, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _border(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a region that have a neighbour outside of it."""
    padded = np.pad(inside, 1, mode="edge")
    surrounded = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    border: NDArray[np.bool_] = inside & ~surrounded
    return border
