"""One look for all figures: small type, thin lines, colours that a colour-blind reader can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from autola_analysis.core.errors import OptionError

WIDTHS = {"neurips": 5.5, "cvpr": 6.875, "column": 3.25}
"""Text widths in inches, by name."""
LEGEND_HANDLE = 5.0
"""Width of a legend's line with the gaps beside it, by matplotlib's defaults, in font sizes"""

VARIANT_COLOURS = (
    "#000000", "#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#8C6D00",
    "#0000FF", "#693C1E", "#69D278", "#693C5A",
)  # fmt: skip
"""The first eight after Okabe and Ito, "Color Universal Design", 2008; yellow is too light for lines and left out. The
others lie far from these and from each other, chosen as `CLASS_COLOURS` are."""
_OF_REPORT: ContextVar[tuple[str, ...]] = ContextVar("variants of the report", default=())

CLASS_COLOURS = (
    "#0089FF", "#D8C400", "#761400", "#0000FF", "#FFB19D", "#FF009D", "#149D3B", "#00D8FF", "#620089", "#004E4E",
    "#FF0014", "#B189C4", "#628962", "#C400C4", "#624EFF", "#764E3B", "#B1C462", "#4E2762", "#FF6289", "#B1C4C4",
)  # fmt: skip
"""For up to 20 classes: chosen to lie far apart in CIELAB, the first ten farthest, as they are and as protanopes and
deuteranopes see them (Machado et al., "A physiologically-based model for simulation of color vision deficiency",
2009)."""


@contextmanager
def colours_of_report(names: Sequence[str]) -> Iterator[None]:
    """Let figures that are made inside the context give every variant one colour, whichever of them they show.

    Args:
        names: Of all variants of a report, in their order.
    """
    token = _OF_REPORT.set(tuple(names))
    try:
        yield
    finally:
        _OF_REPORT.reset(token)


def variant_colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colours of variants, by name.

    Inside `colours_of_report` a variant has the colour of its place in the report, and what is no variant of it, such
    as a control, one of those that are left; elsewhere the place among the names decides.

    Args:
        names: Of the variants of a figure, in their order.
    """
    names = list(names)
    order = list(dict.fromkeys([*_OF_REPORT.get(), *names]))
    return {name: VARIANT_COLOURS[order.index(name) % len(VARIANT_COLOURS)] for name in names}


def figure_width(width: str | float) -> float:
    """Return a width in inches, given by name or as a number.

    Raises:
        OptionError: If it is neither a known name nor a number from 1 to 30.
    """
    if isinstance(width, str) and width in WIDTHS:
        return WIDTHS[width]
    try:
        inches = float(width)
    except ValueError:
        inches = 0.0
    if not 1 <= inches <= 30:
        raise OptionError(f"width is {', '.join(WIDTHS)} or a number of inches from 1 to 30; found {width!r}.")
    return inches


def grid_shape(panels: int, most: int) -> tuple[int, int]:
    """Return rows and columns of a grid of panels: no more rows than needed, and rows as equally full as can be.

    Args:
        panels: Number of panels.
        most: Panels that fit into a row.
    """
    rows = -(-panels // most)
    return rows, -(-panels // rows)


def text_width(text: str, points: float) -> float:
    """Return how wide a line of text of a size is, in inches, in the font of the settings that are in effect."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), ismath=False)
    return float(width) / 72


def fitted(text: str, inches: float, points: float) -> str:
    """Return as much of the beginning of a text as fits, with an ellipsis for the rest; at least one character."""
    if text_width(text, points) <= inches:
        return text
    beginnings = (f"{text[:length]}…" for length in range(len(text) - 1, 1, -1))
    return next((part for part in beginnings if text_width(part, points) <= inches), f"{text[:1]}…")


def legend_columns(labels: Sequence[str], inches: float) -> int:
    """Return how many entries of a legend fit side by side, in the font of the settings that are in effect.

    Args:
        labels: Of the entries, in their order; matplotlib fills column by column.
        inches: Width of the figure.
    """
    points = float(mpl.rcParams["legend.fontsize"])
    widths = [text_width(label, points) + LEGEND_HANDLE * points / 72 for label in labels]

    def width(columns: int) -> float:
        return sum(max(of_column) for of_column in np.array_split(widths, columns))

    return next((columns for columns in range(len(labels), 1, -1) if width(columns) <= inches), 1)


@contextmanager
def paper_style() -> Iterator[None]:
    """Apply the look to figures made inside the context; the user's settings are as before afterwards."""
    with mpl.rc_context():
        mpl.style.use("default")  # a user's settings, such as text.usetex, may need programs that are not there
        mpl.rcParams.update(
            {
                "font.family": "sans-serif",
                "font.size": 8,
                "axes.titlesize": 8,
                "axes.labelsize": 8,
                "xtick.labelsize": 7,
                "ytick.labelsize": 7,
                "legend.fontsize": 7.5,
                "axes.linewidth": 0.6,
                "xtick.major.width": 0.6,
                "ytick.major.width": 0.6,
                "xtick.major.size": 2.5,
                "ytick.major.size": 2.5,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "legend.frameon": False,
                "text.parse_math": False,  # names are text, also with dollar signs
                "pdf.fonttype": 42,
                "ps.fonttype": 42,
                "savefig.dpi": 300,
            }
        )
        yield
