"""Compare a candidate with every other variant in every statistic, and decide the claims about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from autola_analysis.core.columns import INTERVAL, number, text
from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.core.tables import Table
from autola_analysis.statistics.claims import Claim, decide
from autola_analysis.statistics.difference import Comparable, Statistic
from autola_analysis.statistics.resampled import ResampledStatistic

COMPARISON_TABLE = Table(
    "comparison",
    (
        text("analysis", "that measures the statistic"),
        text("layer", "where it is measured"),
        text("model", "the candidate"),
        text("against", "the other variant"),
        text("statistic", "what is compared"),
        number("value", "candidate minus other"),
        *INTERVAL,
        text("runs", "training runs of both"),
        text("scope", "what the interval speaks for: checkpoints or modules"),
    ),
)


@dataclass(frozen=True)
class Comparison:
    """A candidate against every other variant.

    Attributes:
        candidate: Name of the variant.
        table: A row per statistic and other variant, columns of `COMPARISON_TABLE`; differences are candidate minus
            other.
        claims: A row per claim and variant that it is decided against, columns of `claims.CLAIMS_TABLE`; a claim's
            verdict is over all of these and stands in each of its rows.
        warnings: Sentences that belong beside them.
    """

    candidate: str
    table: pd.DataFrame
    claims: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        tables = [
            table.to_html(index=False, float_format="{:.4f}".format, na_rep="") for table in (self.claims, self.table)
        ]
        return "\n".join(tables)


def compare(
    candidate: str,
    statistics: Sequence[Comparable],
    claims: Sequence[Claim] = (),
    stages: Sequence[str] | None = None,
    seed: int = 0,
    guests: Collection[str] = (),
    random_wirings: Collection[str] = (),
) -> Comparison:
    """Compare the candidate with every other variant in every statistic, and decide claims about it.

    Differences have 95% intervals: over images, paired where variants share them; from three training runs of both
    variants on, over runs and images together.

    Args:
        candidate: Name of a variant.
        statistics: What the analyses measured of all variants.
        claims: To decide, in order.
        stages: Names of the networks' stages in order, whose first and last the claims are about; None takes the
            layers of the statistics, those of the first analysis that has layers.
        seed: Of the bootstrap.
        guests: Names of what is compared too, and that no claim is about.
        random_wirings: Names of the variants whose wiring was drawn at random, for claims against those alone.

    Raises:
        OptionError: If there are no statistics of two variants.
        UnknownNameError: If none is of the candidate.
    """
    names = list(dict.fromkeys(name for statistic in statistics for name in statistic.values))
    if len(names) < 2:
        raise OptionError(f"a comparison needs results of two variants; found {', '.join(names) or 'none'}.")
    if candidate not in names:
        raise UnknownNameError(f"there is no result of the candidate {candidate!r}; found {', '.join(names)}.")
    others = [name for name in names if name != candidate]
    rows: list[dict[str, object]] = []
    for statistic in statistics:
        place = {"analysis": statistic.analysis, "layer": statistic.layer, "model": candidate}
        for other in others:
            if candidate in statistic.values and other in statistic.values:
                rows += [
                    {**place, "against": other, "statistic": name, **asdict(difference)}
                    for name, difference in statistic.differences(candidate, other, seed).items()
                ]
    measured = [each for each in statistics if isinstance(each, Statistic | ResampledStatistic)]
    if stages is None:
        stages = _stages([each for each in measured if isinstance(each, Statistic)])
    variants = [name for name in others if name not in guests]
    decided, left_out = decide(claims, measured, candidate, variants, stages, seed, random_wirings)
    return Comparison(candidate, COMPARISON_TABLE.frame(rows), decided, tuple(left_out))


def _stages(statistics: Sequence[Statistic]) -> list[str]:
    """Return the layers that stand for the stages: those of the first analysis that has layers."""
    first = next((each.analysis for each in statistics if each.layer), None)
    return list(dict.fromkeys(each.layer for each in statistics if each.analysis == first and not each.summary))
