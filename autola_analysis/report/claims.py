"""The comparison's part of a report: tables of differences and claims, the forest plot."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from autola_analysis.figures.claims import plot_claims
from autola_analysis.report.figures import write_figure
from autola_analysis.report.methods import claims_paragraph
from autola_analysis.report.section import Section
from autola_analysis.report.tables import read_table, write_table
from autola_analysis.report.templating import render

READING = (
    "Differences are the candidate's value minus the other variant's, with a 95% interval. Statistics, layers, "
    "directions and margins were fixed before any result was looked at. A claim is supported when the interval "
    "against every other variant lies beyond the margin in the claimed direction, contradicted when one lies beyond "
    "it in the other, equivalent when all lie inside the margins, and undecided otherwise.",
    "The scope 'checkpoints' (fewer than three training runs of a variant) speaks of these files alone: intervals are "
    "over images. The scope 'modules' (three runs or more) speaks of the attention modules as they were trained here: "
    "intervals are over runs and images together.",
)
LIMITS = ("The paper's explanation, that context helps with patterns that are ambiguous on their own, is not tested.",)


def write_comparison(directory: Path, comparison: pd.DataFrame, claims: pd.DataFrame) -> None:
    """Write ``tables/comparison.csv`` and ``tables/claims.csv``."""
    write_table(directory, "comparison", comparison)
    write_table(directory, "claims", claims)


def claims_section(
    directory: Path, comparison: pd.DataFrame, claims: pd.DataFrame, width: str | float = "neurips"
) -> Section:
    """Draw ``figures/claims.*``, one per candidate, and return the section.

    Args:
        directory: The report.
        comparison: Differences of variants.
        claims: A row per claim and other variant.
        width: Of the figure.
    """
    figures = {}
    candidates = list(dict.fromkeys(claims["model"]))
    for number, candidate in enumerate(candidates, start=1):
        name = "claims" if len(candidates) == 1 else f"claims-{number}"
        figures[name] = claims_caption(candidate)
        rows = claims[claims["model"] == candidate].reset_index(drop=True)
        write_figure(plot_claims(rows, width), directory, name, figures[name])
    blocks = [rows.to_dict("records") for _, rows in claims.groupby(["model", "claim"], sort=False)]
    tables = {"All differences between variants": comparison} if len(comparison) else {}
    body = render("claims.html.j2", blocks=blocks, several=len(candidates) > 1)
    return Section(
        "claims",
        "What the paper claims",
        figures=figures,
        tables=tables,
        methods=claims_paragraph(claims) if len(claims) else "",
        reading=READING,
        limits=LIMITS,
        body=body,
    )


def read_comparison(directory: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the tables that `write_comparison` wrote."""
    return read_table(directory, "comparison"), read_table(directory, "claims")


def claims_caption(candidate: str) -> str:
    """Say what the forest plot shows."""
    return (
        f"The paper's claims: {candidate} minus each other variant, with 95% intervals. The grey band holds "
        "differences that do not matter, the arrow points where the claim says that the differences lie."
    )
