"""The rule that decides what a paper claims about one variant beside all others; fixed before looking."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from autola_analysis.core.columns import INTERVAL, number, text
from autola_analysis.core.tables import Table
from autola_analysis.statistics.difference import Statistic
from autola_analysis.statistics.intervals import CONFIDENCE, Interval
from autola_analysis.statistics.resampled import ResampledStatistic

CLAIMS_TABLE = Table(
    "claims",
    (
        text("claim", "the claim in a few words"),
        text("quote", "what the paper says"),
        text("statistic", "whose difference decides it"),
        text("layer", "where the statistic is measured; empty for one of the network as a whole"),
        text("model", "the candidate"),
        text("against", "the other variant"),
        number("value", "candidate minus other"),
        *INTERVAL,
        number("strict_low", "lower limit at the confidence 1 - 0.05 / number of other variants"),
        number("strict_high", "upper limit at that confidence"),
        number("margin", "differences up to here do not matter"),
        number("detectable", "true difference that so many runs and images find beyond the margin with 80% power"),
        number("accuracy_difference", "top-1 accuracy of the candidate minus that of the other"),
        number("parameters_ratio", "parameters of the candidate over those of the other"),
        number("macs_ratio", "multiply-adds of one image, of the candidate over those of the other"),
        text("runs", "training runs of both"),
        text("scope", "what the interval speaks for: checkpoints or modules"),
        text("verdict_against", "against this variant alone"),
        text("verdict", "over all other variants"),
    ),
    latex=True,
    not_printed=("quote", "strict_low", "strict_high", "detectable", "parameters_ratio", "macs_ratio"),
)

NO_INTERVAL = (float("nan"), float("nan"))
Verdict = Literal["supported", "contradicted", "equivalent", "undecided"]
Measured = Statistic | ResampledStatistic
"""What a claim can be decided by: one number of every variant"""


@dataclass(frozen=True)
class Claim:
    """Something that the paper says of the candidate beside every other variant.

    Attributes:
        name: The claim in a few words.
        quote: What the paper says, word for word.
        analysis: That measures the statistic.
        statistic: Whose difference, candidate minus other, is looked at.
        stage: Where: the first stage or the last, or the network as a whole.
        direction: Sign of the difference that is claimed; 0 where no difference is claimed.
        margin: Differences up to here do not matter.
        share: The margin is no more than this share of the first variant's mean: where the statistic is 0.02, a margin
            of 0.02 would be met by anything.
        task: Of the networks that it is about.
        extended: Whether the paper says it of classifiers, and it is tried on networks of another task here.
        beside: Statistics of the same analysis and layer that are shown beside it and decide nothing.
        against: Whom it is decided against: all other variants, or those alone whose wiring was drawn at random.
    """

    name: str
    quote: str
    analysis: str
    statistic: str
    stage: Literal["first", "last", "network"]
    direction: Literal[-1, 0, 1]
    margin: float
    share: float = float("inf")
    task: str = "classification"
    extended: bool = False
    beside: tuple[str, ...] = ()
    against: Literal["all", "random wiring"] = "all"

    def for_detectors(self, statistic: str | None = None, beside: tuple[str, ...] = ()) -> Claim:
        """Return what the paper says of classifiers as a claim about detectors, in the same direction and margin.

        Its name and its quote say that the paper does not make it.

        Args:
            statistic: Whose difference is looked at; None takes the same.
            beside: Statistics that are shown beside it.
        """
        return replace(
            self,
            name=f"{self.name} (extended to detectors)",
            quote=f"[of classifiers] {self.quote}",
            statistic=statistic or self.statistic,
            task="detection",
            extended=True,
            beside=beside,
        )

    def margin_beside(self, mean: float) -> float:
        """Return the margin where the first variant's mean is this; never below zero."""
        return max(min(self.margin, self.share * mean), 0.0) if np.isfinite(self.share) else self.margin

    def verdict(self, intervals: Sequence[Interval], strict: Sequence[Interval], margin: float) -> Verdict:
        """Decide the claim by the intervals of its differences from the other variants.

        Contradicted when a strict interval lies beyond the margin in the other direction (in either, where no
        difference is claimed); supported when all 95% intervals lie beyond it in the claimed direction; equivalent when
        all lie within the margin; else undecided. An interval that is missing or has no width (every image is right,
        say) decides nothing.

        Args:
            intervals: At 95%.
            strict: At 1 - 0.05 / m for m others, since one of m is enough to contradict (Bonferroni).
            margin: As `margin_beside` gives it.
        """
        if any(_side(interval, margin) not in (0, self.direction) for interval in strict):
            return "contradicted"
        if self.direction and all(_side(interval, margin) == self.direction for interval in intervals):
            return "supported"
        inside = [-margin <= low < high <= margin for low, high in intervals]
        return "equivalent" if all(inside) else "undecided"


def _side(interval: Interval, margin: float) -> int:
    """Return 1 or -1 where an interval with a width lies above or below the margin, else 0."""
    low, high = interval
    return int(low < high) * (int(low > margin) - int(high < -margin))


def decide(
    claims: Sequence[Claim],
    statistics: Sequence[Measured],
    candidate: str,
    others: Sequence[str],
    stages: Sequence[str],
    seed: int = 0,
    random_wirings: Collection[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """Decide claims.

    Args:
        claims: In the order they are shown.
        statistics: Of all analyses that were run.
        candidate: Name of the variant that the claims are about.
        others: Names of all other variants; no claim is decided where there is none.
        stages: Names of the networks' stages, in order.
        seed: Of the bootstrap.
        random_wirings: Names of the variants whose wiring was drawn at random.

    Returns:
        A row per claim and variant that it is decided against, columns of `CLAIMS_TABLE`, and a sentence per claim that
        was left out, or that some variants do not decide.
    """
    rows: list[dict[str, object]] = []
    left_out = []
    for claim in claims if others else ():
        opponents = [name for name in others if claim.against == "all" or name in random_wirings]
        if not opponents:
            left_out.append(f"the claim '{claim.name}' is left out: no variant has wirings that were drawn at random.")
            continue
        statistic = _statistic(claim, statistics, stages)
        missing = [name for name in (candidate, *opponents) if statistic is None or name not in statistic.values]
        if statistic is None or missing:
            what = f"{claim.statistic}{_where(claim, stages)}"
            whom = "" if statistic is None else f" for {', '.join(missing)}"
            left_out.append(f"the claim '{claim.name}' is left out: {what} was not measured{whom}.")
            continue
        if hidden := _hidden(statistic, (candidate, *opponents)):
            left_out.append(
                f"the claim '{claim.name}' says nothing of {', '.join(hidden)}: noise may make up the whole "
                f"{claim.statistic}{_where(claim, stages)}; give more images."
            )
        rows += _decided(claim, statistic, candidate, opponents, seed)
    return CLAIMS_TABLE.frame(rows), left_out


def _decided(
    claim: Claim, statistic: Measured, candidate: str, others: Sequence[str], seed: int
) -> list[dict[str, object]]:
    """Return the rows of a claim, one per other variant."""
    margin = claim.margin_beside(_first_mean(statistic))
    confidence = 1 - (1 - CONFIDENCE) / len(others)
    differences = [statistic.difference(candidate, other, seed) for other in others]
    strict = [statistic.difference(candidate, other, seed, confidence).interval for other in others]
    clear = [not _hidden(statistic, (candidate, other)) for other in others]
    deciding = [each.interval if use else NO_INTERVAL for each, use in zip(differences, clear, strict=True)]
    deciding_strict = [each if use else NO_INTERVAL for each, use in zip(strict, clear, strict=True)]
    verdict = claim.verdict(deciding, deciding_strict, margin)
    return [
        {
            "claim": claim.name,
            "quote": claim.quote,
            "statistic": claim.statistic,
            "layer": statistic.layer,
            "model": candidate,
            "against": other,
            **asdict(difference),
            "strict_low": low,
            "strict_high": high,
            "margin": margin,
            "detectable": statistic.detectable(candidate, other, margin),
            "verdict_against": claim.verdict([alone], [alone], margin),
            "verdict": verdict,
        }
        for other, difference, alone, (low, high) in zip(others, differences, deciding, strict, strict=True)
    ]


def _hidden(statistic: Measured, names: Sequence[str]) -> list[str]:
    """Return the variants whose values noise may make up as a whole."""
    return [name for name in names if isinstance(statistic, Statistic) and name in statistic.hidden]


def _first_mean(statistic: Measured) -> float:
    """Return the mean of the variant that is shown first, over all its runs."""
    return float(np.nanmean(next(iter(statistic.values.values()))))


def _where(claim: Claim, stages: Sequence[str]) -> str:
    if claim.stage == "network":
        return ""
    if not stages:
        return f" in the {claim.stage} stage"
    return f" in the {claim.stage} stage ({stages[0 if claim.stage == 'first' else -1]})"


def _layer(claim: Claim, stages: Sequence[str]) -> str | None:
    """Return where a claim is decided; None where there is no such stage, or one stage is all there is."""
    if claim.stage == "network":
        return ""
    if not stages or (claim.stage == "first" and len(stages) < 2):
        return None
    return stages[0] if claim.stage == "first" else stages[-1]


def _statistic(claim: Claim, statistics: Sequence[Measured], stages: Sequence[str]) -> Measured | None:
    """Return the statistic of a claim; None where it was not measured."""
    place = (claim.analysis, claim.statistic, _layer(claim, stages))
    return next((each for each in statistics if (each.analysis, each.name, each.layer) == place), None)
