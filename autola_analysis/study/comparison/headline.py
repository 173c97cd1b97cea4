"""The verdicts on all claims in one sentence, with which a page opens and a study ends."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from autola_analysis.study.comparison.verdicts import HOLDS, SCOPES, claimed_directions, holds

OUTCOMES = {
    "contradicted": "{} contradicted",
    "equivalent": "{} without a difference that matters",
    "undecided": "{} undecided",
}
"""What becomes of claims that do not hold, in the order of the sentence."""


def headline(claims: pd.DataFrame) -> str:
    """Return how many claims hold and what becomes of the others, a sentence per candidate; nothing without claims.

    A claim holds where it is supported; one that claims likeness, where the differences are equivalent to none.

    Args:
        claims: A row per claim and other variant, the columns of ``Comparison.claims``.

    Example:
        "HOGA against none, SE, CBAM (3 v 3 runs, modules as trained here): 1 of 4 claims of Ma et al. 2020 holds, 3
        undecided."
    """
    return " ".join(_of_candidate(str(name), rows) for name, rows in claims.groupby("model", sort=False))


def _of_candidate(candidate: str, claims: pd.DataFrame) -> str:
    directions = claimed_directions()
    verdicts = claims.drop_duplicates("claim").set_index("claim")["verdict"]
    outcomes = Counter(_outcome(str(verdict), directions.get(str(name))) for name, verdict in verdicts.items())
    others, runs = (", ".join(dict.fromkeys(claims[column])) for column in ("against", "runs"))
    holding, number = outcomes[HOLDS], len(verdicts)
    held = f"{holding or 'none'} of {number} claims of Ma et al. 2020 {'hold' if holding > 1 else 'holds'}"
    rest = [words.format(outcomes[outcome]) for outcome, words in OUTCOMES.items() if outcomes[outcome]]
    scope = SCOPES["modules" if (claims["scope"] == "modules").all() else "checkpoints"]
    return f"{candidate} against {others} ({runs} runs, {scope}): {', '.join([held, *rest])}."


def _outcome(verdict: str, direction: int | None) -> str:
    return HOLDS if holds(verdict, direction) else verdict
