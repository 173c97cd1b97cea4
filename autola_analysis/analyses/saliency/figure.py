"""Figure 3: a row per image; the input, then every method's map for every variant."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.methods import title_of
from autola_analysis.analyses.saliency.result import OTHER, WRONG, Panel, Picture
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import figure_width, fitted, paper_style, text_width

Scale = Literal["own", "shared"]
FloatArray = NDArray[np.float64]

SCALES = ("own", "shared")
COLOURS = "inferno"
RED = "#B23A00"
BOX = "#00D8FF"
"""Of the box that a detector predicts"""
# Inches.
GAP, GROUP_GAP, MARGIN = 0.03, 0.12, 0.04
HEAD, LABEL, FOOT = 0.36, 0.135, 0.30
SMALL = 6.0  # points
LINE_SPACING, LINE = 1.1, 1.4  # of two lines, and the height of the second, in font sizes


def plot_saliency(pictures: Sequence[Picture], width: str | float = "neurips", scale: Scale = "own") -> Figure:
    """Draw images and their maps: class activation maps laid over the grey image, input gradients in colour.

    Below each map stand the class that the network predicts and its probability: in red where it is wrong, in italics
    where it differs from a class that is explained and not the image's label.
    A white line is the outline of the object, where it is known, a blue one the box that a detector predicts. Of a
    variant with several runs, the first is shown.

    Args:
        pictures: Images with their maps, as `SaliencyResult.pictures` has them.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
        scale: "own" divides each map by its own maximum, "shared" by the largest of the variants for the image.

    Raises:
        OptionError: If there is nothing to draw, or the scale is not known.
    """
    if scale not in SCALES:
        raise OptionError(f"scale is {' or '.join(SCALES)}; found {scale!r}.")
    if not pictures or not pictures[0].panels:
        raise OptionError("there is no map to draw.")
    with paper_style():
        return _Sheet(pictures, figure_width(width), scale).draw()


class _Sheet:
    """The grid of a figure, measured in inches."""

    def __init__(self, pictures: Sequence[Picture], width: float, scale: Scale) -> None:
        self.pictures = pictures
        self.scale = scale
        panels = first_runs(pictures[0].panels)
        self.groups = list(dict.fromkeys((panel.method, panel.layer) for panel in panels))
        self.variants = list(dict.fromkeys(panel.variant for panel in panels))
        columns = 1 + len(self.groups) * len(self.variants)
        gaps = GAP * (columns - 1 - len(self.groups)) + GROUP_GAP * len(self.groups)
        self.side = (width - 2 * MARGIN - gaps) / columns
        rows, columns_of_pixels = pictures[0].pixels.shape[:2]
        self.panel_height = self.side * rows / columns_of_pixels
        self.has_colours = any(panel.map.ndim == 2 for panel in panels)
        foot = FOOT if self.has_colours else 0.02
        self.titles, self.title_size = self._fitting_titles()
        self.head = HEAD + (max(title.count("\n") for title in self.titles)) * self.title_size * 1.2 / 72
        self.size = min(7.0, max(4.5, self.side * 10.5))  # points that fit below a panel
        self.line = float(np.clip(self.side, 0.3, 0.6))  # points of the line of a box
        self.separator = self._separator()
        self.label = LABEL + LINE * self.size / 72 * self.separator.count("\n")
        self.width, self.height = width, self.head + len(pictures) * (self.panel_height + self.label) + foot
        self.figure = Figure(figsize=(self.width, self.height))

    def _fitting_titles(self) -> tuple[list[str], float]:
        """Return the heads of the groups, on more lines where one does not fit, and their size in points."""
        room = len(self.variants) * (self.side + GAP) + GROUP_GAP / 2
        names = [(title_of(method), layer) for method, layer in self.groups]
        for size in (7.5, 6.5, 5.5):
            longest = int(room * 72 / (0.58 * size))
            titles = [f"{name}, {layer}" if layer else name for name, layer in names]
            if max(map(len, titles)) <= longest:
                return titles, size
        return [
            "\n".join(textwrap.wrap(name, longest) + ([fitted(layer, room, size)] if layer else []))
            for name, layer in names
        ], size

    def _separator(self) -> str:
        """Return what stands between class and probability: a new line in all labels where one does not fit on one."""
        names = {_first(panel.predicted) for picture in self.pictures for panel in first_runs(picture.panels)}
        return " " if all(text_width(f"{name} (0.00)", self.size) <= self.side for name in names) else "\n"

    def _name(self, name: str) -> str:
        return fitted(_first(name), self.side, self.size)

    def draw(self) -> Figure:
        self._heads()
        for row, picture in enumerate(self.pictures):
            ax = self._axes(row, 0, 0)
            ax.imshow(picture.pixels, interpolation="nearest")
            _outline(ax, picture.mask)
            _frame(ax, picture.panels[0].box, self.line)
            self._below(ax, self._name(picture.label or picture.target), "black")
            found = {(p.method, p.layer, p.variant): p for p in first_runs(picture.panels)}
            for group, key in enumerate(self.groups):
                in_group = [found[(*key, variant)] for variant in self.variants if (*key, variant) in found]
                shared = max(largest_value(panel.map) for panel in in_group) if self.scale == "shared" else None
                for column, variant in enumerate(self.variants):
                    if (*key, variant) in found:
                        panel = found[(*key, variant)]
                        self._panel(self._axes(row, group + 1, column), picture, panel, shared)
        if self.has_colours:
            self._colour_bar()
        return self.figure

    def _left(self, group: int, column: int) -> float:
        if group == 0:
            return MARGIN
        before = 1 + (group - 1) * len(self.variants) + column
        gaps = GROUP_GAP * group + GAP * (before - group)
        return MARGIN + before * self.side + gaps

    def _axes(self, row: int, group: int, column: int) -> Axes:
        top = self.head + row * (self.panel_height + self.label)
        bottom = self.height - top - self.panel_height
        left = self._left(group, column)
        ax = self.figure.add_axes(
            (left / self.width, bottom / self.height, self.side / self.width, self.panel_height / self.height)
        )
        ax.set_axis_off()
        return ax

    def _text(self, x: float, y: float, text: str, **options: Any) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, text, ha="center", **options)

    def _heads(self) -> None:
        self._text(self._left(0, 0) + self.side / 2, self.head - 0.05, "Input", va="baseline", fontsize=self.size)
        for group, title in enumerate(self.titles, start=1):
            left, right = self._left(group, 0), self._left(group, len(self.variants) - 1) + self.side
            line_at = self.head - HEAD + 0.18
            self._text((left + right) / 2, line_at - 0.05, title, va="bottom", fontsize=self.title_size)
            y = 1 - line_at / self.height
            line = mpl.lines.Line2D(
                [left / self.width, right / self.width],
                [y, y],
                color="0.3",
                linewidth=0.5,
                transform=self.figure.transFigure,
            )
            self.figure.add_artist(line)
            for column, variant in enumerate(self.variants):
                centre = self._left(group, column) + self.side / 2
                self._text(centre, self.head - 0.05, variant, va="baseline", fontsize=self.size)

    def _panel(self, ax: Axes, picture: Picture, panel: Panel, shared: float | None) -> None:
        if panel.map.ndim == 2:
            pixels, mask = (picture.pixels, picture.mask) if panel.pixels is None else (panel.pixels, panel.mask)
            ax.imshow(overlay(pixels, panel.map, shared), interpolation="nearest")
            _outline(ax, mask)
        else:  # an outline would hide the edges that these pictures consist of
            ax.imshow(gradient_display(panel.map), interpolation="nearest")
        _frame(ax, panel.box, self.line)
        if panel.status != "ok":
            ax.text(
                0.5, 0.5, panel.status, transform=ax.transAxes, ha="center", va="center", fontsize=SMALL, color="white"
            )  # fmt: skip
        remark = picture.remark(panel)
        colour, style = RED if remark == WRONG else "black", "italic" if remark == OTHER else "normal"
        self._below(ax, f"{self._name(panel.predicted)}{self.separator}({panel.probability:.2f})", colour, style)

    def _below(self, ax: Axes, text: str, colour: str, style: str = "normal") -> None:
        ax.text(
            0.5, -0.02 / self.panel_height, text, transform=ax.transAxes, ha="center", va="top",
            linespacing=LINE_SPACING if "\n" in text else 1.0, fontsize=self.size, color=colour, fontstyle=style,
        )  # fmt: skip

    def _colour_bar(self) -> None:
        first = next(index for index, (method, _) in enumerate(self.groups, start=1) if self._is_map(method))
        left, right = self._left(first, 0), self._left(first, len(self.variants) - 1) + self.side
        length = min(1.6, right - left)
        ax = self.figure.add_axes(
            (((left + right - length) / 2) / self.width, 0.16 / self.height, length / self.width, 0.06 / self.height)
        )
        mappable = mpl.cm.ScalarMappable(Normalize(0, 1), COLOURS)
        bar = self.figure.colorbar(mappable, cax=ax, orientation="horizontal", ticks=[0, 1])
        bar.outline.set_linewidth(0.4)
        largest = "maximum" if self.scale == "own" else "maximum of variants"
        ax.set_xticklabels(["0", largest], fontsize=SMALL)
        ax.tick_params(length=1.5, pad=1.5, width=0.4)

    def _is_map(self, method: str) -> bool:
        return any(panel.map.ndim == 2 for panel in self.pictures[0].panels if panel.method == method)


def overlay(pixels: NDArray[np.uint8], map_: NDArray[np.float32], largest: float | None = None) -> FloatArray:
    """Lay a map over the grey version of an image, ``(H, W, 3)`` in [0, 1].

    Args:
        pixels: ``(H, W, 3)``, uint8.
        map_: ``(H, W)``, raw; negative and non-finite values show nothing.
        largest: What the map is divided by; None takes its own maximum.
    """
    values = np.nan_to_num(np.asarray(map_, dtype=float), nan=0, posinf=0, neginf=0).clip(min=0)
    top = values.max() if largest is None else largest
    values = values / top if top > 0 else values
    grey = (pixels / 255 @ np.array([0.299, 0.587, 0.114]))[..., None]
    colours: FloatArray = mpl.colormaps[COLOURS](values)[..., :3]
    strength = 0.2 + 0.55 * values[..., None]
    return strength * colours + (1 - strength) * grey


def gradient_display(gradient: NDArray[np.float32]) -> FloatArray:
    """Return ``0.5 + 0.1 (g - mean(g)) / std(g)``, clipped to [0, 1], of ``(3, H, W)`` as ``(H, W, 3)``.

    A gradient of one channel, ``(1, H, W)``, becomes grey.
    """
    g = np.nan_to_num(np.asarray(gradient, dtype=float), nan=0, posinf=0, neginf=0)
    spread = g.std()
    shown = 0.5 + 0.1 * (g - g.mean()) / spread if spread > 0 else np.full_like(g, 0.5)
    return np.broadcast_to(shown.clip(0, 1), (3, *shown.shape[1:])).transpose(1, 2, 0)


def first_runs(panels: Sequence[Panel]) -> list[Panel]:
    """Return the panels of the first run of each variant: what is shown."""
    first: dict[str, str] = {}
    for panel in panels:
        first.setdefault(panel.variant, panel.run)
    return [panel for panel in panels if panel.run == first[panel.variant]]


def largest_value(map_: NDArray[np.float32]) -> float:
    """Return the largest finite value of a map; 0 where there is none."""
    finite = map_[np.isfinite(map_)]
    return float(finite.max()) if finite.size else 0.0


def _outline(ax: Axes, mask: NDArray[np.bool_] | None) -> None:
    if mask is None or not mask.any():
        return
    # A border of nothing closes outlines at the edge of the image.
    padded = np.pad(mask.astype(float), 1)
    rows, columns = np.arange(-1, mask.shape[0] + 1), np.arange(-1, mask.shape[1] + 1)
    limits = ax.get_xlim(), ax.get_ylim()
    lines = ax.contour(columns, rows, padded, levels=[0.5], colors="white", linewidths=0.45)
    lines.set_path_effects([Stroke(linewidth=0.9, foreground="black"), Normal()])
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def _frame(ax: Axes, box: Sequence[float] | None, line: float) -> None:
    """Draw a box; the edges of pixels are half a pixel from their centres."""
    if box is None:
        return
    limits = ax.get_xlim(), ax.get_ylim()
    x1, y1, x2, y2 = (value - 0.5 for value in box)
    patch = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=BOX, linewidth=line)
    patch.set_path_effects([Stroke(linewidth=1.8 * line, foreground="black"), Normal()])
    ax.add_patch(patch)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def _first(names: str) -> str:
    """Return the first of the synonyms that a class is named by."""
    return names.split(",")[0]
