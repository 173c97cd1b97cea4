"""What the page and a paper say of the comparison and the claims."""

from __future__ import annotations

import pandas as pd

from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.report.templating import render
from autola_analysis.study.comparison.figure import plot_claims

READING = (
    "Differences are the candidate's value minus the other variant's, with a 95% interval. Statistics, layers, "
    "directions and margins were fixed before any result was looked at. A claim is supported when the interval "
    "against every other variant lies beyond the margin in the claimed direction, contradicted when one lies beyond "
    "it in the other at a confidence of 1 - 0.05 / number of other variants, equivalent when all lie inside the "
    "margins, and undecided otherwise, also where an interval has no width. 'Alone' is the verdict against one variant "
    "by its 95% interval. The error is that of a single claim, not of all claims together.",
    "The scope 'checkpoints' (fewer than three training runs of a variant) speaks of these files alone: intervals are "
    "over images. The scope 'modules' (three runs or more) speaks of the attention modules as they were trained here: "
    "intervals are over runs and images together.",
)
LIMITS = ("The paper's explanation, that context helps with patterns that are ambiguous on their own, is not tested.",)


def claims_section(comparison: pd.DataFrame, claims: pd.DataFrame, sheet: Sheet) -> Section:
    """Draw ``figures/claims.*``, one per candidate, and return the section.

    Args:
        comparison: Differences of variants.
        claims: A row per claim and other variant.
        sheet: What to draw on.
    """
    figures: dict[str, str] = {}
    candidates = list(dict.fromkeys(claims["model"]))
    for number, candidate in enumerate(candidates, start=1):
        name = "claims" if len(candidates) == 1 else f"claims-{number}"
        rows = claims[claims["model"] == candidate].reset_index(drop=True)
        figures |= sheet.draw(name, plot_claims(rows, sheet.width), claims_caption(candidate))
    blocks = [rows.to_dict("records") for _, rows in claims.groupby(["model", "claim"], sort=False)]
    tables = {"All differences between variants": comparison} if len(comparison) else {}
    return Section(
        "claims",
        "What the paper claims" if len(claims) else "How the variants differ",
        figures=figures,
        tables=tables,
        methods=claims_methods(claims) if len(claims) else "",
        reading=READING if len(claims) else READING[1:],
        limits=LIMITS if len(claims) else (),
        body=render("claims.html.j2", __package__, blocks=blocks, several=len(candidates) > 1),
    )


def claims_caption(candidate: str) -> str:
    """Say what the forest plot shows."""
    return (
        f"The paper's claims: {candidate} minus each other variant, with 95% intervals. The grey band holds "
        "differences that do not matter, the arrow points where the claim says that the differences lie."
    )


def claims_methods(claims: pd.DataFrame) -> str:
    """Say how the paper's claims were decided."""
    candidates = ", ".join(dict.fromkeys(claims["model"]))
    return (
        f"The claims of [@ma2020] were decided for {candidates} by a rule that was fixed beforehand: supported when "
        "the 95% interval of the difference from every other variant lies beyond a margin in the claimed direction, "
        "contradicted when an interval at 1 - 0.05 / number of other variants lies beyond it in the other, equivalent "
        "when all 95% intervals lie inside the margins, else undecided. Intervals are over images, and over training "
        "runs and images where variants have three runs or more [@efron1993]."
    )
