"""The sanity check's part of a report: table and curve."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from autola_analysis.figures.saliency import plot_sanity
from autola_analysis.report.figures import write_figure
from autola_analysis.report.methods import sanity_paragraph
from autola_analysis.report.saliency import GUIDED
from autola_analysis.report.section import Section
from autola_analysis.report.tables import read_table, write_table

SANITY_CSV = ["model", "run", "method", "layer", "randomised_to", "rank_correlation", "images", "undefined"]

READING = (GUIDED,)


def write_sanity(directory: Path, table: pd.DataFrame) -> None:
    """Write ``tables/sanity.csv``."""
    write_table(directory, "sanity", table[SANITY_CSV])


def read_sanity(directory: Path) -> pd.DataFrame:
    """Read ``tables/sanity.csv``."""
    return read_table(directory, "sanity")


def sanity_section(directory: Path, table: pd.DataFrame, data: str, width: str | float = "neurips") -> Section:
    """Draw ``figures/sanity.*`` and return the section.

    Args:
        directory: The report.
        table: Rows of one or several sanity checks.
        data: What the networks were run on, for the caption.
        width: Of the figure.
    """
    caption = (
        "Sanity check: mean rank correlation of the maps with those of the trained network while its weights are "
        f"drawn anew from the head down, on {int(table['images'].max())} images ({data})."
    )
    write_figure(plot_sanity(table, width), directory, "sanity", caption)
    return Section(
        "sanity",
        "Do the maps depend on what was learned?",
        figures={"sanity": caption},
        methods=sanity_paragraph(table),
        reading=READING,
    )
