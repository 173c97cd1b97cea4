"""The verdicts on all claims in one sentence, with which a page opens and a study ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from autola_analysis.study.comparison.verdicts import HOLDS, SCOPES, declared_claims, holds
from autola_analysis.study.wirings import runs_text

OUTCOMES = {
    "contradicted": "{} contradicted",
    "equivalent": "{} without a difference that matters",
    "undecided": "{} undecided",
}
"""What becomes of claims that do not hold, in the order of the sentence."""
PAPER, EXTENDED = "claims of Ma et al. 2020", "claims that we extend to detectors"


def headline(claims: pd.DataFrame) -> str:
    """Return how many claims hold and what becomes of the others, a sentence per candidate; nothing without claims.

    Claims that the paper does not make of such networks are counted apart from its own. A claim holds where it is
    supported; one that claims likeness, where the differences are equivalent to none.

    Args:
        claims: A row per claim and other variant, the columns of ``Comparison.claims``.

    Example:
        "HOGA against none, SE, CBAM (3 v 3 runs, modules as trained here): 1 of 4 claims of Ma et al. 2020 holds, 3
        undecided."
    """
    return " ".join(_of_candidate(str(name), rows) for name, rows in claims.groupby("model", sort=False))


def _of_candidate(candidate: str, claims: pd.DataFrame) -> str:
    declared = declared_claims()
    extended = {name for name, claim in declared.items() if claim.extended}
    first = claims.drop_duplicates("claim")
    verdicts = dict(zip(map(str, first["claim"]), map(str, first["verdict"]), strict=True))
    others, runs = (", ".join(dict.fromkeys(each)) for each in (claims["against"], map(runs_text, claims["runs"])))
    scope = SCOPES["modules" if (claims["scope"] == "modules").all() else "checkpoints"]
    counts = [
        _counted({name: verdict for name, verdict in verdicts.items() if (name in extended) == apart}, words)
        for apart, words in ((False, PAPER), (True, EXTENDED))
    ]
    return f"{candidate} against {others} ({runs}, {scope}): {'; '.join(filter(None, counts))}."


def _counted(verdicts: Mapping[str, str], words: str) -> str:
    """Say how many claims hold and what becomes of the others; nothing where there are none."""
    if not verdicts:
        return ""
    declared = declared_claims()
    directions = {name: declared[name].direction if name in declared else None for name in verdicts}
    outcomes = Counter(HOLDS if holds(verdict, directions[name]) else verdict for name, verdict in verdicts.items())
    holding = outcomes[HOLDS]
    held = f"{holding or 'none'} of {len(verdicts)} {words} {'hold' if holding > 1 else 'holds'}"
    rest = [each.format(outcomes[outcome]) for outcome, each in OUTCOMES.items() if outcomes[outcome]]
    return ", ".join([held, *rest])
