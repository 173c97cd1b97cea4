"""Claims and verdicts in words: what was measured, whether a claim holds, and why."""

from __future__ import annotations

from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.core.text import last_parts
from autola_analysis.statistics.claims import Claim

HOLDS, FAILS = "holds", "does not hold"
SCOPES = {"checkpoints": "these checkpoints alone", "modules": "modules as trained here"}
"""What a difference speaks for: fewer than three runs of a variant say nothing of other trainings."""
WORDS = {
    "ap": "average precision",
    "grad-cam energy_box": "Grad-CAM energy in the box",
    "grad-cam odi": "Grad-CAM object discrimination index",
    "grad-cam precision": "Grad-CAM precision",
    "knn_accuracy": "kNN accuracy",
    "top1": "top-1 accuracy",
}
"""Names of statistics that read better as words"""


def declared_claims() -> dict[str, Claim]:
    """Return the claims of all analyses by their names."""
    return {claim.name: claim for name in registrations() for claim in analysis_of(name).claims}


def claimed_directions() -> dict[str, int]:
    """Return the sign of the difference that each claim of each analysis claims, by the name of the claim."""
    return {name: claim.direction for name, claim in declared_claims().items()}


def measured_text(statistic: str, layer: str) -> str:
    """Return what a claim is decided by, and where, for figure and page.

    Example:
        >>> measured_text("knn_accuracy", "backbone.layer3"), measured_text("ap", "")
        ('kNN accuracy, layer3', 'average precision')
    """
    where = last_parts([layer]).values() if layer else ()
    return ", ".join([WORDS.get(statistic, statistic.replace("_", " ")), *where])


def holds(verdict: str, direction: int | None) -> bool:
    """Return whether a claim holds: it is supported; or it claims likeness, and the variants are equivalent.

    Args:
        verdict: See `autola_analysis.statistics.claims.Claim.verdict`.
        direction: Sign of the difference that is claimed; 0 where likeness is claimed, None where that is not known.
    """
    return verdict == "supported" or (verdict == "equivalent" and direction == 0)


def verdict_text(verdict: str, direction: int | None, margin: float | None = None) -> str:
    """Say whether a claim holds, and by which verdict.

    Args:
        verdict: See `holds`.
        direction: See `holds`.
        margin: Differences up to here do not matter; None leaves it out.

    Example:
        >>> verdict_text("equivalent", 0, 0.005), verdict_text("equivalent", -1), verdict_text("undecided", 1, 0.02)
        ('holds: equivalent within 0.005', 'does not hold: equivalent', 'undecided')
    """
    if verdict == "undecided":
        return verdict
    where = "" if margin is None else f" {'within' if verdict == 'equivalent' else 'beyond'} {margin:.3f}"
    return f"{HOLDS if holds(verdict, direction) else FAILS}: {verdict}{where}"
