"""A row per object: the image with its box, then every map of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from autola_analysis.analyses.saliency.explain_objects import ObjectExplanation
from autola_analysis.analyses.saliency.figure import gradient_display, overlay
from autola_analysis.analyses.saliency.methods import title_of
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import figure_width, paper_style

MOST_ROWS = 12
LABEL, HEAD = 0.16, 0.3  # inches


def plot_objects(
    explanation: ObjectExplanation,
    images: Tensor | Sequence[Image.Image | NDArray[np.uint8]],
    classes: Sequence[str] | None = None,
    width: str | float = "neurips",
) -> Figure:
    """Draw single objects and their maps, at most 12: a row per object, with the box of its candidate.

    Below each image stand the class and the score that is explained.

    Args:
        explanation: What `explain_objects` returned.
        images: The images that were explained, ``(B, 3, H, W)`` from 0 to 1 or uint8, or a list of photographs, as
            Pillow or arrays ``(H, W, 3)`` have them.
        classes: Names of the classes; None takes those that the explanation has.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is no object to draw.
    """
    rows = explanation.objects.head(MOST_ROWS).to_dict("records")
    if not rows:
        raise OptionError("there is no object to draw: nothing was detected; lower the threshold.")
    pixels = [_pixels(each) for each in images]
    height, across = pixels[0].shape[:2]
    columns = 1 + len(explanation.maps)
    inches = figure_width(width)
    side = inches / columns
    with paper_style():
        height_of_all = len(rows) * (side * height / across + LABEL) + HEAD
        layout = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
        figure = Figure(figsize=(inches, height_of_all), layout=layout)
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for place, (row, axes) in enumerate(zip(rows, grid, strict=True)):
            image = pixels[int(row["image"])]
            axes[0].imshow(image, interpolation="nearest")
            name = str(row["class"]) if classes is None else classes[int(row["label"])]
            axes[0].set_xlabel(f"{name} ({row['score']:.2f})", labelpad=1.5, fontsize=6.5)
            for ax, (key, maps) in zip(axes[1:], explanation.maps.items(), strict=True):
                _draw(ax, image, maps[place].numpy(), explanation.status[key][place])
            for ax in axes:
                _frame(ax, [float(row[side]) for side in ("x1", "y1", "x2", "y2")])
        for ax, title in zip(grid[0], ["Input", *(_title(*key) for key in explanation.maps)], strict=True):
            ax.set_title(title, fontsize=6.5, pad=3)
        return figure


def _pixels(image: Tensor | Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not isinstance(image, Tensor):
        return np.asarray(image)
    array = image.detach().cpu().permute(1, 2, 0).numpy()
    return array if array.dtype == np.uint8 else (array.clip(0, 1) * 255).round().astype(np.uint8)


def _draw(ax: Axes, image: NDArray[np.uint8], map_: NDArray[np.float32], status: str) -> None:
    shown = overlay(image, map_) if map_.ndim == 2 else gradient_display(map_)
    ax.imshow(shown, interpolation="nearest")
    if status != "ok":
        ax.text(0.5, 0.5, status, transform=ax.transAxes, ha="center", va="center", fontsize=6, color="white")


def _frame(ax: Axes, box: Sequence[float]) -> None:
    """Draw a box, white with a black border; the edges of pixels are half a pixel from their centres."""
    limits = ax.get_xlim(), ax.get_ylim()
    x1, y1, x2, y2 = (value - 0.5 for value in box)
    patch = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor="white", linewidth=0.6)
    patch.set_path_effects([Stroke(linewidth=1.2, foreground="black"), Normal()])
    ax.add_patch(patch)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _title(method: str, layer: str | None) -> str:
    name = title_of(method)
    return name if layer is None else f"{name}\n{layer.rpartition('.')[2]}"
