"""The paper's claims as a forest plot: a panel per claim, a row per other variant."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from autola_analysis.core.errors import OptionError
from autola_analysis.report.style import figure_width, grid_shape, paper_style
from autola_analysis.study.comparison.verdicts import SCOPES, claimed_directions, measured_text, verdict_text

PANELS_PER_ROW = 3
ROW_INCHES = 0.24
PANEL_INCHES = 1.4  # a panel is no narrower
NAME_INCHES = 1.15
LABEL_CHARACTERS = 18  # of a line of a row's label
CHARACTERS_PER_INCH = 17  # of a title
VERDICT_COLOURS = {"supported": "#007A5A", "contradicted": "#D55E00", "equivalent": "#0072B2", "undecided": "0.35"}
INTERVALS = {
    "checkpoints": f"{SCOPES['checkpoints']} (over images)",
    "modules": f"{SCOPES['modules']} (over runs and images)",
}
BAND: dict[str, Any] = {"color": "0.9", "linewidth": 0}


def plot_claims(claims: pd.DataFrame, width: str | float = "neurips") -> Figure:
    """Draw every claim as differences of the candidate from the other variants, with 95% intervals and the verdict.

    The grey band holds differences that do not matter (the claim's margin), the arrow points where the claim says that
    the differences lie, beyond the margin. Filled points speak for modules (three training runs of both variants or
    more), open ones for the checkpoints at hand; a cross has no interval.

    Args:
        claims: A row per claim and other variant, the columns of ``Comparison.claims``.
        width: Of the figure: "neurips", "cvpr", "column" or inches.

    Raises:
        OptionError: If there is no claim to draw.
    """
    if claims.empty:
        raise OptionError("there is no claim to draw: none was decided.")
    names = list(dict.fromkeys(claims["claim"]))
    directions = claimed_directions()
    others = list(dict.fromkeys(claims["against"]))
    inches = figure_width(width)
    most = int(np.clip((inches - NAME_INCHES) / PANEL_INCHES, 1, min(PANELS_PER_ROW, len(names))))
    rows, columns = grid_shape(len(names), most)
    with paper_style():
        height = rows * (ROW_INCHES * (len(others) + 1) + 1.15) + 0.35
        figure = Figure(figsize=(inches, height), layout="constrained")
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        characters = int((inches - NAME_INCHES) / columns * CHARACTERS_PER_INCH)
        for index, ax in enumerate(axes.flat):
            if index < len(names):
                _draw_claim(ax, claims[claims["claim"] == names[index]], others, characters, directions)
            else:
                ax.set_visible(False)
        figure.legend(handles=_legend(claims), loc="outside lower center", ncols=2 if inches > 4 else 1)
    return figure


def _draw_claim(
    ax: Axes, rows: pd.DataFrame, others: Sequence[str], characters: int, directions: Mapping[str, int]
) -> None:
    first = rows.iloc[0]
    margin = float(first["margin"])
    low, high = _limits(rows, margin)
    ax.set_xlim(low, high)
    ax.set_ylim(-1.6, len(others) - 0.4)
    if margin:
        ax.axvspan(-margin, margin, zorder=0, **BAND)
    ax.plot([0, 0], [-0.7, len(others) - 0.4], color="0.4", linewidth=0.7, zorder=1)
    for _, row in rows.iterrows():
        _draw_difference(ax, row, len(others) - 1 - list(others).index(row["against"]))
    _draw_direction(ax, directions.get(str(first["claim"])), margin, low, high)
    ax.set_yticks(range(len(others)), [_label(name) for name in reversed(others)])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    statistic = f"difference of {measured_text(str(first['statistic']), str(first['layer']))}"
    ax.set_xlabel(textwrap.fill(statistic, characters), fontsize=7)
    ax.set_title(f"{textwrap.fill(str(first['claim']), characters)}\n", linespacing=1.15)
    verdict = str(first["verdict"])
    words = verdict_text(verdict, directions.get(str(first["claim"])))
    ax.text(
        0.5, 1.02, words, transform=ax.transAxes, ha="center", va="bottom", fontweight="bold",
        color=VERDICT_COLOURS.get(verdict, "0"),
    )  # fmt: skip


def _draw_difference(ax: Axes, row: pd.Series, place: int) -> None:
    value, low, high = float(row["value"]), float(row["ci_low"]), float(row["ci_high"])
    if np.isnan(value):
        ax.text(0.03, place, "not measured", transform=ax.get_yaxis_transform(), va="center", fontsize=6.5, color="0.3")
    elif np.isnan([low, high]).any():
        ax.plot([value], [place], marker="x", markersize=4, color="0")
    else:
        ax.plot([low, high], [place, place], color="0", linewidth=1.1, solid_capstyle="butt")
        face = "0" if row["scope"] == "modules" else "1"
        ax.plot([value], [place], marker="o", markersize=4, markerfacecolor=face, markeredgecolor="0", linestyle="")


def _draw_direction(ax: Axes, direction: int | None, margin: float, low: float, high: float) -> None:
    """Say below the rows where the claim puts the differences."""
    style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 6.5, "color": "0.3"}
    if direction == 0:
        ax.text(0, -1.3, "claimed: inside", **style)
    elif direction:
        start, end = direction * margin, (high if direction > 0 else low)
        arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": "0.3", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (end, -1.0), (start, -1.0), arrowprops=arrow)
        place, align = (0.96, "right") if direction > 0 else (0.04, "left")
        ax.text(place, -0.88, "claimed", transform=ax.get_yaxis_transform(), **style | {"ha": align})


def _limits(rows: pd.DataFrame, margin: float) -> tuple[float, float]:
    """Return the range to draw: all intervals, zero, the margins, and room for the arrow on both sides."""
    values = rows[["value", "ci_low", "ci_high"]].to_numpy(float)
    known = [*values[~np.isnan(values)], -1.9 * margin, 1.9 * margin, 0.0]
    low, high = float(min(known)), float(max(known))
    room = 0.35 * (high - low) or 0.01
    return min(low - 0.2 * room, -room), max(high + 0.2 * room, room)


def _label(name: str) -> str:
    lines = textwrap.wrap(f"v {name}", LABEL_CHARACTERS)
    if len(lines) > 2:
        lines = [lines[0], f"{lines[1][: LABEL_CHARACTERS - 3]}..."]
    return "\n".join(lines)


def _legend(claims: pd.DataFrame) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    for scope, words in INTERVALS.items():
        if (claims["scope"] == scope).any():
            face = "0" if scope == "modules" else "1"
            style: dict[str, Any] = {"markersize": 4, "markerfacecolor": face, "markeredgecolor": "0", "linewidth": 1.1}
            handles.append(Line2D([], [], color="0", marker="o", label=f"speaks for {words}", **style))
    if (claims["ci_low"].isna() & claims["value"].notna()).any():
        handles.append(Line2D([], [], color="0", marker="x", markersize=4, linestyle="", label="no interval"))
    handles.append(Patch(**BAND, label="too small to matter"))
    return handles
