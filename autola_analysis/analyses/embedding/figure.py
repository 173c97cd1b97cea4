"""Figure 2: the same images in every panel, a row per backbone, a column per variant, a colour per class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.labels import spread_labels
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import CLASS_COLOURS, figure_width, grid_shape, paper_style, variant_colours

FloatArray = NDArray[np.float64]

PANELS_PER_ROW = 4
LABEL_SIZE = 6.0  # points
LONGEST_NAME = 10  # characters of a class name that still fits into a panel
MOST_NAMES = 12  # classes whose names are written into the panels
COVERED = 0.22  # share of a panel that all points together would cover
ATTENTION_NAMES = {"se": "SE", "cbam": "CBAM", "hoga": "HOGA", "eca": "ECA", "simam": "SimAM"}
CORNERS = ("#08306B", "#6BAED6", "#7F2704", "#FD9A3D")
"""Colours at lower left, upper left, lower right, upper right, where there are more classes than colours: dark and
light blue to dark and light orange, which colour-blind readers can tell apart."""


@dataclass(frozen=True)
class _Layout:
    """Which embedding goes where.

    Attributes:
        panels: Rows of embeddings; None where there is none.
        columns: Title above each column; empty where every panel has its own.
        rows: Title before each row; empty where there is none.
    """

    panels: list[list[Embedding | None]]
    columns: list[str]
    rows: list[str]


@overload
def plot_embedding(
    embeddings: Embedding | Sequence[Embedding], width: str | float = ..., align: bool = ..., ax: None = ...
) -> Figure: ...
@overload
def plot_embedding(
    embeddings: Embedding | Sequence[Embedding], width: str | float = ..., align: bool = ..., *, ax: Axes
) -> Axes: ...
def plot_embedding(
    embeddings: Embedding | Sequence[Embedding],
    width: str | float = "neurips",
    align: bool = False,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Draw images in the plane, one panel per network.

    Several backbones (or layers) with the same variants, or the same attentions under other names, make a grid;
    otherwise the panels follow each other. Of several seeds, and in a grid of several runs, the first is drawn.
    With up to 20 classes each has a colour and a label at the median of its images; with more, the colour of a
    class is its place in the first panel. Images without labels are grey.

    Args:
        embeddings: Of the same images, in the order they are to be drawn.
        width: Of the figure: "neurips", "cvpr", "column" or inches.
        align: Whether each panel is turned, mirrored and scaled to fit the first as well as possible.
        ax: Where to draw instead, for one embedding.

    Returns:
        The figure, or `ax`.

    Raises:
        OptionError: If there is nothing to draw, the images differ, or `ax` is given for several embeddings.
    """
    embeddings = [embeddings] if isinstance(embeddings, Embedding) else list(embeddings)
    _check_same_images(embeddings)
    with paper_style():
        if ax is not None:
            if len(embeddings) != 1:
                raise OptionError(f"one Axes takes one embedding; found {len(embeddings)}.")
            figure = ax.get_figure()
            side = 2.0 if figure is None else float(ax.get_window_extent().width / figure.get_dpi())
            _draw_panel(ax, embeddings[0], embeddings[0].coords, class_colours(embeddings[0]), side)
            return ax
        return _draw_grid(_layout(embeddings), figure_width(width), align)


def plot_knn_accuracy(embeddings: Embedding | Sequence[Embedding], width: str | float = "column") -> Figure:
    """Draw the leave-one-out accuracy of nearest neighbours in the feature space, with its interval over images.

    Args:
        embeddings: In the order they are to be drawn, from the top.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is nothing to draw, or the classes of the images are not known.
    """
    embeddings = [embeddings] if isinstance(embeddings, Embedding) else list(embeddings)
    chosen = first_of_seeds(embeddings)
    if not chosen:
        raise OptionError("there is no embedding to draw.")
    if not all(each.labelled for each in chosen):
        raise OptionError("without labels there is no accuracy of nearest neighbours to draw.")
    row_of = _row_namer(chosen)
    groups = list(dict.fromkeys((row_of(each), each.model) for each in chosen))
    inches = figure_width(width)
    with paper_style():
        figure = Figure(figsize=(inches, 0.55 + 0.19 * len(groups)), layout="constrained")
        ax = figure.subplots()
        colours = variant_colours(each.model for each in chosen)
        repeated = len(groups) > len(colours)
        for each in chosen:
            position = groups.index((row_of(each), each.model))
            runs = [other for other in chosen if (row_of(other), other.model) == groups[position]]
            shift = 0.5 * ((runs.index(each) + 0.5) / len(runs) - 0.5) if len(runs) > 1 else 0.0
            value, low, high = _knn_accuracy(each)
            colour = colours[each.model]
            ax.plot([low, high], [position + shift] * 2, color=colour, linewidth=1.1, solid_capstyle="butt")
            ax.plot(value, position + shift, "o", color=colour, markersize=3.2)
        ax.set_yticks(range(len(groups)), [f"{row}, {name}" if repeated else name for row, name in groups])
        ax.set_ylim(len(groups) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.margins(x=0.08)
        ax.grid(axis="x", color="0.9", linewidth=0.5)
        ax.set_axisbelow(True)
        k = chosen[0].params["quality_k"]
        left_out = "leave-one-image-out" if chosen[0].images else "leave-one-out"
        ax.set_xlabel(f"{left_out} {k}-NN accuracy (%)")
    return figure


def procrustes(coords: FloatArray, target: FloatArray) -> FloatArray:
    """Return positions turned, mirrored, scaled and moved to lie as close to `target` as possible (least squares).

    Positions that all coincide are only moved.

    References:
        Gower and Dijksterhuis, "Procrustes Problems", 2004, chapter 4.
    """
    centred, wanted = coords - coords.mean(axis=0), target - target.mean(axis=0)
    size = (centred**2).sum()
    if size == 0:
        return centred + target.mean(axis=0)
    left, values, right = np.linalg.svd(centred.T @ wanted)
    aligned: FloatArray = (values.sum() / size) * centred @ (left @ right) + target.mean(axis=0)
    return aligned


def _check_same_images(embeddings: Sequence[Embedding]) -> None:
    if not embeddings:
        raise OptionError("there is no embedding to draw.")
    first = embeddings[0]
    for other in embeddings[1:]:
        if other.ids != first.ids or other.classes != first.classes or not np.array_equal(other.labels, first.labels):
            raise OptionError(
                f"panels of one figure show the same images; {other.model} and {first.model} were run on others."
            )


def first_of_seeds(embeddings: Sequence[Embedding]) -> list[Embedding]:
    """Return the embedding with the first seed of each network and layer: what is shown."""
    first: dict[tuple[str | None, str, str, str], Embedding] = {}
    for each in embeddings:
        first.setdefault((each.backbone, each.layer, each.model, each.run), each)
    return list(first.values())


def _row_namer(embeddings: Sequence[Embedding]) -> Callable[[Embedding], str]:
    """Return what names the row of an embedding: backbone and layer, as far as they differ between embeddings."""
    backbones = len({each.backbone for each in embeddings}) > 1
    layers = len({each.layer for each in embeddings}) > 1

    def name(embedding: Embedding) -> str:
        return " ".join(([embedding.backbone or "?"] if backbones else []) + ([embedding.layer] if layers else []))

    return name


def _column_namer(embeddings: Sequence[Embedding], row_of: Callable[[Embedding], str]) -> Callable[[Embedding], str]:
    """Return what names the column of an embedding: the variant, or its attention.

    The same attention in several backbones has another name in each; that is one column, unless two variants would
    share a cell.
    """
    rows_of: dict[str, set[str]] = {}
    variants: dict[tuple[str, str | None], set[str]] = {}
    for each in embeddings:
        rows_of.setdefault(each.model, set()).add(row_of(each))
        variants.setdefault((row_of(each), each.attention), set()).add(each.model)
    names_repeat = any(len(rows) > 1 for rows in rows_of.values())
    clear = all(attention is not None and len(names) == 1 for (_, attention), names in variants.items())
    one_attention = len({each.attention for each in embeddings}) == 1  # backbones alone are panels of one row
    if names_repeat or one_attention or not clear:
        return lambda embedding: embedding.model
    return lambda embedding: ATTENTION_NAMES.get(str(embedding.attention), str(embedding.attention))


def _layout(embeddings: Sequence[Embedding]) -> _Layout:
    chosen = first_of_seeds(embeddings)
    row_of = _row_namer(chosen)
    column_of = _column_namer(chosen, row_of)
    rows = list(dict.fromkeys(row_of(each) for each in chosen))
    columns = list(dict.fromkeys(column_of(each) for each in chosen))
    cells: dict[tuple[str, str], Embedding] = {}
    for each in chosen:
        cells.setdefault((row_of(each), column_of(each)), each)
    if len(rows) > 1 and 2 * len(cells) > len(rows) * len(columns):
        return _Layout([[cells.get((row, column)) for column in columns] for row in rows], columns, rows)
    _, per_row = grid_shape(len(chosen), PANELS_PER_ROW)
    panels: list[Embedding | None] = [*chosen, *[None] * (-len(chosen) % per_row)]
    return _Layout([panels[start : start + per_row] for start in range(0, len(panels), per_row)], [], [])


def _draw_grid(layout: _Layout, width: float, align: bool) -> Figure:
    rows, columns = len(layout.panels), len(layout.panels[0])
    first = next(each for row in layout.panels for each in row if each is not None)
    colours = class_colours(first)
    side = min(2.4, (width - 0.2 * bool(layout.rows)) / columns - 0.06)
    legend = _legend(first, colours)
    per_line = _entries_per_line(first, width) if legend else 1
    lines = -(-len(legend) // per_line)
    title_rows = 1 if layout.columns else rows
    height = rows * side + 0.06 * (rows - 1) + 0.2 * title_rows + 0.14 * lines + 0.06
    engine = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.04, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=(width, height), layout=engine)
    axes = figure.subplots(rows, columns, squeeze=False)
    for i, row in enumerate(layout.panels):
        for j, each in enumerate(row):
            ax = axes[i, j]
            if each is None:
                ax.set_axis_off()
            else:
                aligned = align and each is not first and _finite(each) and _finite(first)
                _draw_panel(ax, each, procrustes(each.coords, first.coords) if aligned else each.coords, colours, side)
                ax.set_title("" if layout.columns else panel_title(each, first), pad=3)
            if layout.columns and i == 0:
                ax.set_title(layout.columns[j], pad=3)
            if layout.rows and j == 0:
                ax.text(-0.04, 0.5, layout.rows[i], transform=ax.transAxes, rotation=90, ha="right", va="center")
    if legend:
        figure.legend(
            handles=legend, loc="outside lower center", ncols=per_line, fontsize=LABEL_SIZE + 0.5,
            handletextpad=0.1, columnspacing=0.9, borderpad=0.1, labelspacing=0.25,
        )  # fmt: skip
    return figure


def _draw_panel(ax: Axes, embedding: Embedding, coords: FloatArray, colours: FloatArray, side: float) -> None:
    shown = np.flatnonzero(np.isfinite(coords).all(axis=1))
    # Drawn in random order: the last class would cover the others.
    shown = np.random.default_rng(0).permutation(shown)
    size = float(np.clip(COVERED * (72 * side) ** 2 / max(len(coords), 1), 0.12, 9))
    points = coords[shown]
    ax.scatter(
        points[:, 0], points[:, 1], s=size, c=colours[embedding.labels[shown]], linewidths=0, alpha=0.8, rasterized=True
    )
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("0.75")
    ax.set_aspect("equal")
    if not len(points):
        ax.text(0.5, 0.5, "not finite", transform=ax.transAxes, ha="center", va="center")
        return
    centre = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = max(float(np.ptp(points, axis=0).max()) / 2, 1e-12) * 1.06
    ax.set_xlim(centre[0] - reach, centre[0] + reach)
    ax.set_ylim(centre[1] - reach, centre[1] + reach)
    if embedding.labelled and len(_present(embedding)) <= len(CLASS_COLOURS):
        _label_classes(ax, embedding, coords, colours, (centre, reach, side))


def _label_classes(
    ax: Axes, embedding: Embedding, coords: FloatArray, colours: FloatArray, frame: tuple[FloatArray, float, float]
) -> None:
    """Write each class at the median of its images: its name, or its number where names do not fit."""
    centre, reach, side = frame
    present = _present(embedding)
    named = _names_fit(embedding)
    texts = [embedding.classes[label] if named else str(label) for label in present]
    anchors = np.array([np.nanmedian(coords[embedding.labels == label], axis=0) for label in present])
    unit = 2 * reach / (72 * side)  # data units per point
    sizes = unit * np.array([[0.56 * LABEL_SIZE * len(text), 1.2 * LABEL_SIZE] for text in texts])
    centres = spread_labels(anchors, sizes, centre - reach, centre + reach)
    for label, text, place in zip(present, texts, centres, strict=True):
        ax.text(
            place[0], place[1], text, ha="center", va="center", fontsize=LABEL_SIZE, color=0.55 * colours[label],
            path_effects=[patheffects.withStroke(linewidth=1.6, foreground="white", alpha=0.85)],
        )  # fmt: skip


def class_colours(embedding: Embedding) -> FloatArray:
    """Return a colour per class, ``(C, 3)``: of the palette, or by the place of the class where there are too many.

    Without labels it is a single grey, ``(1, 3)``.
    """
    if not embedding.labelled:
        return np.full((1, 3), 0.6)
    count = len(embedding.classes)
    present = _present(embedding)
    colours = np.full((count, 3), 0.6)
    if len(present) <= len(CLASS_COLOURS):
        colours[present] = [to_rgb(colour) for colour in CLASS_COLOURS[: len(present)]]
        return colours
    places = np.array([np.nanmedian(embedding.coords[embedding.labels == label], axis=0) for label in present])
    # By rank, so that every colour is used as often wherever the classes crowd.
    x, y = (places.argsort(axis=0).argsort(axis=0) / (len(present) - 1)).T[:, :, None]
    bottom_left, top_left, bottom_right, top_right = np.array([to_rgb(corner) for corner in CORNERS])
    left, right = (1 - y) * bottom_left + y * top_left, (1 - y) * bottom_right + y * top_right
    colours[present] = (1 - x) * left + x * right
    return colours


def _legend(embedding: Embedding, colours: FloatArray) -> list[Line2D]:
    """Return what the numbers in the panels mean; nothing where names stand there, or where there are too many."""
    present = _present(embedding)
    if not embedding.labelled or _names_fit(embedding) or len(present) > len(CLASS_COLOURS):
        return []
    return [
        Line2D(
            [], [], linestyle="", marker="o", markersize=3.5, color=tuple(colours[label]),
            label=f"{label} {_short(embedding.classes[label])}",
        )
        for label in present
    ]  # fmt: skip


def _entries_per_line(embedding: Embedding, width: float) -> int:
    longest = max(len(_short(embedding.classes[label])) + 3 for label in _present(embedding))
    return max(1, int((width - 0.2) / (0.3 + longest * 0.52 * (LABEL_SIZE + 0.5) / 72)))


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _names_fit(embedding: Embedding) -> bool:
    present = _present(embedding)
    names = [embedding.classes[label] for label in present]
    return len(present) <= MOST_NAMES and max(map(len, names)) <= LONGEST_NAME


def _present(embedding: Embedding) -> NDArray[np.int64]:
    return np.unique(embedding.labels)


def _finite(embedding: Embedding) -> bool:
    return bool(np.isfinite(embedding.coords).all())


def panel_title(embedding: Embedding, first: Embedding) -> str:
    """Return the title of a panel: the variant, with run and layer where they are not those of the first."""
    run = "" if embedding.run == "1" else f" (run {embedding.run})"
    layer = f", {embedding.layer}" if embedding.layer != first.layer else ""
    return f"{embedding.model}{run}{layer}"


def _knn_accuracy(embedding: Embedding) -> tuple[float, float, float]:
    table = embedding.quality
    row = table[(table["space"] == "features") & (table["metric"] == "knn_accuracy")].iloc[0]
    return 100 * float(row["value"]), 100 * float(row["ci_low"]), 100 * float(row["ci_high"])
