"""What the verdict on searched and random wirings says: of one wiring, of several, or of searching itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from autola_analysis.core.text import counted
from autola_analysis.inference.tasks.accuracy import TOP1
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES
from autola_analysis.study.comparison.verdicts import SCOPES, declared_claims
from autola_analysis.study.file import SEARCHES

RECOMMENDED_RUNS, RECOMMENDED_DRAWS = 5, 8
"""Of trainings or searches, and of random wirings, one training each"""
READING = (
    "Whether a searched wiring beats random ones is decided against the variants of random wirings alone. Trainings of "
    "one wiring speak for this wiring; only networks of several searches, one training each, speak for searching. "
    f"Either side needs {RUNS_FOR_MODULES} runs to speak of modules, and random wirings that many different ones; "
    f"{RECOMMENDED_RUNS} trainings or searches and {RECOMMENDED_DRAWS} random wirings are recommended. Relative "
    "improvement is by how many per cent of their accuracy random wirings are surpassed (Yang et al., ICLR 2020)."
)
VERDICTS = {
    "supported": "{subject} more accurate than {others}",
    "contradicted": "{subject} less accurate than {others}",
    "equivalent": "{subject} as accurate as {others}",
    "undecided": "it is undecided whether {subject} more accurate than {others}",
}


def about_random_wirings(claims: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of claims about accuracy that were decided against random wirings alone."""
    if claims.empty:
        return claims  # to know what is claimed, all analyses are imported
    names = [
        name
        for name, claim in declared_claims().items()
        if claim.against == "random wiring" and claim.statistic == TOP1
    ]
    return claims[claims["claim"].isin(names)]


def wiring_verdicts(claims: pd.DataFrame, searched: pd.DataFrame) -> list[str]:
    """Return a sentence for every candidate that was held against random wirings.

    Args:
        claims: Rows of `claims.CLAIMS_TABLE`.
        searched: Rows of `searched.SEARCH_RANDOM_TABLE`.

    Example:
        "Modules as trained here: it is undecided whether searching finds wirings that are more accurate than wirings
        drawn at random. Top-1 accuracy of 5 searches differs by +0.31 points [-0.40, +1.02] from that of 8 random
        wirings (Rand); the margin is 0.5 points."
    """
    about = about_random_wirings(claims)
    return [_sentence(rows, searched) for _, rows in about.groupby(["model", "claim"], sort=False)]


def few_runs(claims: pd.DataFrame, searched: pd.DataFrame) -> list[str]:
    """Return a sentence for every candidate whose runs, or whose random wirings, are fewer than recommended."""
    return [
        f"{_runs(ours)} of {row['model']} and {_drawn(theirs)} ({row['against']}) are few to tell searched wirings "
        f"from random ones: {RECOMMENDED_RUNS} and {RECOMMENDED_DRAWS} are recommended."
        for row in about_random_wirings(claims).to_dict("records")
        for ours, theirs in [[_own(str(row[column]), searched) for column in ("model", "against")]]
        if ours["runs"] < RECOMMENDED_RUNS or theirs["genotypes"] < RECOMMENDED_DRAWS
    ]


def _sentence(rows: pd.DataFrame, searched: pd.DataFrame) -> str:
    first = rows.iloc[0]
    ours = _own(str(first["model"]), searched)
    theirs = {name: _own(str(name), searched) for name in rows["against"]}
    scope = SCOPES["modules" if (rows["scope"] == "modules").all() else "checkpoints"]
    drawn = sum(int(other["genotypes"]) for other in theirs.values())
    subject, one = _subject(ours)
    others = "the one wiring" if drawn == 1 else "a wiring" if one else "wirings"
    verdict = VERDICTS[str(first["verdict"])].format(subject=subject, others=f"{others} drawn at random")
    differences = ", and by ".join(
        f"{100 * row['value']:+.2f} points{_interval(row['ci_low'], row['ci_high'])} from that of "
        f"{_drawn(theirs[row['against']])} ({row['against']})"
        for row in rows.to_dict("records")
    )
    return (
        f"{scope[0].upper()}{scope[1:]}: {verdict}. Top-1 accuracy of {_runs(ours)} differs by {differences}; the "
        f"margin is {100 * first['margin']:g} points."
    )


def _own(name: str, searched: pd.DataFrame) -> Mapping[str, Any]:
    """Return what a variant says of itself: its first row, whomever it stands beside there."""
    first = searched[searched["variant"] == name].iloc[0]
    return {str(column): value for column, value in first.items()}


def _subject(ours: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what a verdict is about, up to its verb, and whether that is a single wiring."""
    if ours["runs_are"] == SEARCHES:
        return "searching finds wirings that are", False
    if ours["genotypes"] == 1:
        return f"the wiring of {ours['variant']} is", True
    return f"the wirings of {ours['variant']} are", False


def _runs(ours: Mapping[str, Any]) -> str:
    return counted(int(ours["runs"]), "search" if ours["runs_are"] == SEARCHES else "training")


def _drawn(theirs: Mapping[str, Any]) -> str:
    wirings, runs = counted(int(theirs["genotypes"]), "random wiring"), counted(int(theirs["runs"]), "training")
    return wirings if theirs["runs"] == theirs["genotypes"] else f"{wirings} in {runs}"


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" [{100 * low:+.2f}, {100 * high:+.2f}]"
