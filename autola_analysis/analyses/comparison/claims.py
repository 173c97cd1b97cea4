"""What "Auto Learning Attention" claims about the features of HOGA networks, and the rule that decides it.

Statistics, layers, directions and margins were fixed before any result was looked at. The paper's explanation, that
context helps with patterns that are ambiguous on their own, is not tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from autola_analysis.analyses.comparison.collect import MEAN_SELECTIVITY
from autola_analysis.analyses.comparison.statistics import Statistic
from autola_analysis.analyses.intervals import Interval

CLAIM_COLUMNS = [
    "claim", "quote", "statistic", "layer", "model", "against", "value", "ci_low", "ci_high", "margin", "runs",
    "scope", "verdict",
]  # fmt: skip
SLOPE = f"slope of {MEAN_SELECTIVITY} over stages"

Verdict = Literal["supported", "contradicted", "equivalent", "undecided"]


@dataclass(frozen=True)
class Claim:
    """Something that the paper says of the candidate beside every other variant.

    Attributes:
        name: The claim in a few words.
        quote: What the paper says, in our words around a few of its own in quotation marks.
        analysis: That measures the statistic.
        statistic: Whose difference, candidate minus other, is looked at.
        stage: Where: the first stage, the last, or all of them (a slope).
        direction: Sign of the difference that is claimed; 0 where it is said that there is none.
        margin: Differences up to here do not matter.
    """

    name: str
    quote: str
    analysis: str
    statistic: str
    stage: Literal["first", "last", "all"]
    direction: Literal[-1, 0, 1]
    margin: float

    def verdict(self, intervals: Sequence[Interval]) -> Verdict:
        """Decide the claim by its 95% intervals against all other variants.

        Contradicted when one lies beyond the margin in the other direction (in either, where no difference is
        claimed); supported when all lie beyond it in the claimed direction; equivalent when all lie inside the
        margins; else undecided, also where an interval is missing.
        """
        below = [high < -self.margin for _, high in intervals]
        above = [low > self.margin for low, _ in intervals]
        against = {1: below, -1: above, 0: [one or other for one, other in zip(below, above, strict=True)]}
        if any(against[self.direction]):
            return "contradicted"
        if self.direction and all(above if self.direction > 0 else below):
            return "supported"
        if all(-self.margin <= low and high <= self.margin for low, high in intervals):
            return "equivalent"
        return "undecided"


CLAIMS = (
    Claim(
        "less class selective in depth",
        'In deep layers the units of the HOGA network are "less class selective" than those of the others.',
        "selectivity", MEAN_SELECTIVITY, "last", -1, 0.02,
    ),
    Claim(
        "alike in the first stage",
        'In early layers the class selectivities of all networks are "matched closely".',
        "selectivity", MEAN_SELECTIVITY, "first", 0, 0.02,
    ),
    Claim(
        "the less selective the deeper",
        'That the HOGA network is "less class selective" is said of deep layers: the difference grows with depth.',
        "selectivity", SLOPE, "all", -1, 0.0,
    ),
    Claim(
        "masks cover the object more precisely",
        'The Grad-CAM masks of the HOGA network cover the object "more precisely".',
        "saliency", "grad-cam energy", "last", 1, 0.02,
    ),
    Claim(
        "more discriminative features",
        'The features of the HOGA network are "more discriminative".',
        "embedding", "knn_accuracy", "last", 1, 0.01,
    ),
)  # fmt: skip


def decide(
    statistics: Sequence[Statistic],
    candidate: str,
    others: Sequence[str],
    stages: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[pd.DataFrame, list[str]]:
    """Decide the claims.

    Args:
        statistics: Of all analyses that were run.
        candidate: Name of the variant that the claims are about.
        others: Names of all other variants.
        stages: See `compare`.
        seed: Of the bootstrap.

    Returns:
        A row per claim and other variant, columns `CLAIM_COLUMNS`, and a sentence per claim that was left out.
    """
    stages = list(stages) if stages is not None else _stages(statistics)
    rows: list[dict[str, object]] = []
    left_out = []
    for claim in CLAIMS:
        statistic = _statistic(claim, statistics, stages)
        missing = [name for name in (candidate, *others) if statistic is None or name not in statistic.values]
        if statistic is None or missing:
            what = f"{claim.statistic} in {_where(claim, stages)}"
            whom = "" if statistic is None else f" for {', '.join(missing)}"
            left_out.append(f"the claim '{claim.name}' is left out: {what} was not measured{whom}.")
            continue
        differences = [statistic.difference(candidate, other, seed) for other in others]
        verdict = claim.verdict([(each.ci_low, each.ci_high) for each in differences])
        about = {"claim": claim.name, "quote": claim.quote, "statistic": claim.statistic, "layer": statistic.layer}
        for other, each in zip(others, differences, strict=True):
            row = {**about, "model": candidate, "against": other, **asdict(each)}
            rows.append({**row, "margin": claim.margin, "verdict": verdict})
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS), left_out


def _stages(statistics: Sequence[Statistic]) -> list[str]:
    """Return the layers that stand for the stages: those of selectivity, else those of any analysis."""
    of_units = [each for each in statistics if each.analysis == "selectivity"]
    return list(dict.fromkeys(each.layer for each in of_units or statistics if each.layer))


def _where(claim: Claim, stages: Sequence[str]) -> str:
    if claim.stage == "all" or not stages:
        return "two stages or more" if claim.stage == "all" else f"the {claim.stage} stage"
    return f"the {claim.stage} stage ({stages[0 if claim.stage == 'first' else -1]})"


def _statistic(claim: Claim, statistics: Sequence[Statistic], stages: Sequence[str]) -> Statistic | None:
    """Return the statistic of a claim; None where it was not measured, or one stage is all there is."""
    if claim.stage == "all":
        return slope_over_stages(statistics, stages)
    if not stages or (claim.stage == "first" and len(stages) < 2):
        return None
    layer = stages[0] if claim.stage == "first" else stages[-1]
    wanted = (claim.analysis, claim.statistic, layer)
    return next((each for each in statistics if (each.analysis, each.name, each.layer) == wanted), None)


def slope_over_stages(statistics: Sequence[Statistic], stages: Sequence[str]) -> Statistic | None:
    """Return the least-squares slope of mean selectivity on the number of the stage, as values per run and fold.

    A slope is a weighted sum over stages, so that the difference of two variants' slopes is the slope of their
    difference, with the same folds and runs. None where fewer than two stages were measured.
    """
    measured = {each.layer: each for each in statistics if each.name == MEAN_SELECTIVITY}
    if len(stages) < 2 or any(stage not in measured for stage in stages):
        return None
    parts = [measured[stage] for stage in stages]
    numbers = np.arange(len(stages)) - (len(stages) - 1) / 2
    weights = numbers / (numbers**2).sum()
    values: Mapping[str, np.ndarray] = {
        name: np.sum([weight * part.values[name] for weight, part in zip(weights, parts, strict=True)], axis=0)
        for name in parts[0].values
        if all(name in part.values for part in parts)
    }
    layers = f"{stages[0]} to {stages[-1]}"
    return Statistic("selectivity", layers, SLOPE, values, folds=True, paired=parts[0].paired)
