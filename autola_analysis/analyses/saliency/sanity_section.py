"""What the page and a paper say of the sanity check."""

from __future__ import annotations

import pandas as pd

from autola_analysis.analyses.saliency.figure import plot_sanity
from autola_analysis.analyses.saliency.section import GUIDED
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

READING = (GUIDED,)


def sanity_section(table: pd.DataFrame, sheet: Sheet) -> Section:
    """Draw ``figures/sanity.*`` and return the section.

    Args:
        table: Rows of one or several sanity checks.
        sheet: What to draw on.
    """
    caption = (
        "Sanity check: mean rank correlation of the maps with those of the trained network while its weights are "
        f"drawn anew from the head down, on {int(table['images'].max())} images ({sheet.data})."
    )
    return Section(
        "sanity",
        "Do the maps depend on what was learned?",
        figures=sheet.draw("sanity", plot_sanity(table, sheet.width), caption),
        methods=sanity_methods(table),
        references=references_beside(__file__),
        reading=READING,
    )


def sanity_methods(table: pd.DataFrame) -> str:
    """Say how maps were checked against random weights."""
    return (
        "As a sanity check [@adebayo2018] the weights were drawn anew part by part from the head down; we report "
        f"Spearman's rank correlation of the maps with the original ones on {int(table['images'].max())} images."
    )
