"""What the page and a paper say of the comparison and the claims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from autola_analysis.core.text import interval_text, number_text
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.report.templating import render
from autola_analysis.study.comparison.controls import lacking
from autola_analysis.study.comparison.figure import plot_claims
from autola_analysis.study.comparison.headline import headline
from autola_analysis.study.comparison.readings import READING as WIRINGS
from autola_analysis.study.comparison.readings import about_random_wirings, few_runs, wiring_verdicts
from autola_analysis.study.comparison.verdicts import SCOPES, declared_claims, measured_text, verdict_text
from autola_analysis.study.wirings import runs_text

READING = (
    "Differences are the candidate's value minus the other variant's, with a 95% interval. Statistics, layers, "
    "directions and margins were fixed before any result was looked at. A claim is supported when the interval "
    "against every other variant lies beyond the margin in the claimed direction, contradicted when one lies beyond "
    "it in the other at a confidence of 1 - 0.05 / number of other variants, equivalent when all lie within the "
    "margin, and undecided otherwise, also where an interval has no width or noise may make up all that is measured "
    "(corrected selectivity below chance). A claim holds when it is supported; one that claims likeness holds when the "
    "variants are equivalent. 'Alone' is the verdict against one variant by its "
    "95% interval. The error is that of a single claim, not of all claims together.",
    "'Detectable' is the true difference that so many runs and images would find beyond the margin with 80% power: a "
    "planning figure, since the spread between runs is estimated from these few runs.",
    "The scope 'checkpoints' (fewer than three training runs of a variant) speaks of these files alone: intervals are "
    "over images. The scope 'modules as trained here' (three runs or more) speaks of the attention modules with this "
    "recipe: intervals are over runs and images together. Variants differ in accuracy and size too, as the table says; "
    "either may explain a difference as well as the module.",
)
EXTENDED = (
    "The paper says of classifiers what the claims 'extended to detectors' try on detectors, by objects instead of "
    "images, with the same directions and margins; of detectors it says only that they detect better. Maps are "
    "compared on the objects that every network detects."
)
METHODS_OF_WIRINGS = (
    " Whether a searched wiring is more accurate was decided against wirings drawn at random alone, trained in the "
    "same way; relative improvement over these is that of [@yang2020]."
)
LIMITS = (
    "Intervals over runs hold for runs that vary normally and images whose effects add; an outlying run among few "
    "makes them wide.",
)


def claims_section(
    comparison: pd.DataFrame, claims: pd.DataFrame, sheet: Sheet, controls: pd.DataFrame, searched: pd.DataFrame
) -> Section:
    """Draw ``figures/claims.*``, one per candidate, and return the section.

    Args:
        comparison: Differences of variants.
        claims: A row per claim and other variant.
        sheet: What to draw on.
        controls: A row per candidate and control.
        searched: Rows of `searched.SEARCH_RANDOM_TABLE`: searched wirings beside random ones.
    """
    figures: dict[str, str] = {}
    candidates = list(dict.fromkeys(claims["model"]))
    for number, candidate in enumerate(candidates, start=1):
        name = "claims" if len(candidates) == 1 else f"claims-{number}"
        rows = claims[claims["model"] == candidate].reset_index(drop=True)
        figures |= sheet.draw(name, plot_claims(rows, sheet.width), claims_caption(rows))
    declared = declared_claims()
    words: dict[str, Any] = {
        "several": len(candidates) > 1,
        "scopes": SCOPES,
        "beside": lambda row: "; ".join(filter(None, [size_text(row), beside_text(row, comparison)])),
        "directions": {name: claim.direction for name, claim in declared.items()},
        "measured": measured_text,
        "runs": runs_text,
        "verdict": verdict_text,
        "wiring_verdicts": wiring_verdicts(claims, searched),
    }
    blocks = [rows.to_dict("records") for _, rows in claims.groupby(["model", "claim"], sort=False)]
    tables = {"Is it the module? Controls that the study holds or lacks": controls} if len(controls) else {}
    tables |= {"Searched wirings beside random ones": searched} if len(searched) else {}
    tables |= {"All differences between variants": comparison} if len(comparison) else {}
    return Section(
        "claims",
        "What the paper claims" if len(claims) else "How the variants differ",
        headline=headline(claims),
        figures=figures,
        tables=tables,
        methods=claims_methods(claims) if len(claims) else "",
        reading=[
            *(READING if len(claims) else READING[2:]),
            *([EXTENDED] if _extended(claims) else []),
            *([WIRINGS] if len(about_random_wirings(claims)) else []),
        ],
        limits=[*(LIMITS if len(claims) else ()), *lacking(controls), *few_runs(claims, searched)],
        body=render("claims.html.j2", __package__, blocks=blocks, **words),
    )


def size_text(row: Mapping[str, float]) -> str:
    """Say how the candidate differs in accuracy and size from the other variant of a row of claims.

    Example:
        >>> size_text({"accuracy_difference": -0.0025, "parameters_ratio": 1.225, "macs_ratio": float("nan")})
        'top-1 -0.25 points, parameters +22.5 %'
    """
    parts = [
        (f"top-1 {100 * row['accuracy_difference']:+.2f} points", row["accuracy_difference"]),
        (f"parameters {100 * row['parameters_ratio'] - 100:+.1f} %", row["parameters_ratio"]),
        (f"multiply-adds {100 * row['macs_ratio'] - 100:+.1f} %", row["macs_ratio"]),
    ]
    return ", ".join(text for text, value in parts if not math.isnan(value))


def beside_text(row: Mapping[str, Any], comparison: pd.DataFrame) -> str:
    """Say what else was measured where a claim is decided, which decides nothing; see `Claim.beside`.

    Args:
        row: Of the claims.
        comparison: Differences of variants.
    """
    claim = declared_claims().get(row["claim"])
    if claim is None:
        return ""
    places = comparison["layer"].eq(row["layer"]) & comparison["analysis"].eq(claim.analysis)
    pairs = comparison["model"].eq(row["model"]) & comparison["against"].eq(row["against"])
    found = {each["statistic"]: each for each in comparison[places & pairs].to_dict("records")}
    return ", ".join(
        f"{measured_text(name, '')} {number_text(of['value'], '+')} {interval_text(of['ci_low'], of['ci_high'], '+')}"
        for name in claim.beside
        if (of := found.get(name))
    )


def _extended(claims: pd.DataFrame) -> bool:
    declared = declared_claims()
    return any(declared[name].extended for name in claims["claim"] if name in declared)


def claims_caption(claims: pd.DataFrame) -> str:
    """Say what the forest plot of the claims about one candidate shows."""
    more = ", and what it says of classifiers extended to detectors" if _extended(claims) else ""
    against = claims.groupby("claim")["against"].nunique()
    alone = " The claim about random wirings is about no other variant." if against.nunique() > 1 else ""
    return (
        f"The paper's claims{more}: {claims['model'].iloc[0]} minus each other variant, with 95% intervals. The grey "
        "band holds differences that do not matter, the arrow points where the claim says that the differences lie."
        + alone
    )


def claims_methods(claims: pd.DataFrame) -> str:
    """Say how the paper's claims were decided."""
    candidates = ", ".join(dict.fromkeys(claims["model"]))
    return (
        f"The claims of [@ma2020] were decided for {candidates} by a rule that was fixed beforehand: supported when "
        "the 95% interval of the difference from every other variant lies beyond a margin in the claimed direction, "
        "contradicted when an interval at 1 - 0.05 / number of other variants lies beyond it in the other, equivalent "
        "when all 95% intervals lie within the margin, else undecided; a corrected selectivity below chance decides "
        "nothing. Intervals are over images (bootstrap "
        "[@efron1993]); where variants have three runs or more, over training runs and images, by components of "
        "variance [@searle1992] with the degrees of freedom of [@welch1947] for the runs."
        + (f" {EXTENDED}" if _extended(claims) else "")
        + (METHODS_OF_WIRINGS if len(about_random_wirings(claims)) else "")
    )
