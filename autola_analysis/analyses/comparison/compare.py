"""Compare a candidate with every other variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from autola_analysis.analyses.comparison.claims import decide
from autola_analysis.analyses.comparison.collect import (
    accuracy_statistics,
    embedding_statistics,
    saliency_statistics,
    selectivity_statistics,
    unit_distributions,
)
from autola_analysis.analyses.comparison.statistics import Difference, Statistic, scope_of
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.saliency.result import CHANCE, SaliencyResult
from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.core.errors import OptionError, UnknownNameError

COMPARISON_COLUMNS = [
    "analysis", "layer", "model", "against", "statistic", "value", "ci_low", "ci_high", "runs", "scope"
]  # fmt: skip
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """A candidate against every other variant.

    Attributes:
        candidate: Name of the variant.
        table: A row per statistic and other variant, columns `COMPARISON_COLUMNS`; differences are candidate minus
            other.
        claims: A row per claim of the paper and other variant, columns `claims.CLAIM_COLUMNS`; a claim's verdict is
            over all others and stands in each of its rows.
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
    selectivity: Sequence[SelectivityResult] = (),
    saliency: SaliencyResult | None = None,
    embeddings: Sequence[Embedding] = (),
    stages: Sequence[str] | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare the candidate with every other variant in every statistic, and decide the paper's claims.

    Differences have 95% intervals: over images, paired where variants share them; from three training runs of both
    variants on, over runs and images together. The Wasserstein distance and Cliff's delta describe how far the
    distributions over units are apart: units are no sample of anything, and there is no interval.

    Args:
        candidate: Name of a variant, see `candidate_of`.
        selectivity: A result per training run.
        saliency: The result of all networks.
        embeddings: Of all networks; of several seeds the first counts, since they share the feature space.
        stages: Names of the networks' stages in order, whose first and last the claims are about; None takes the
            layers of the selectivity results, else the layers of the others.
        seed: Of the bootstrap.

    Raises:
        OptionError: If there are no results of two variants.
        UnknownNameError: If none is of the candidate.
    """
    names = _variants(selectivity, saliency, embeddings)
    if len(names) < 2:
        raise OptionError(f"a comparison needs results of two variants; found {', '.join(names) or 'none'}.")
    if candidate not in names:
        raise UnknownNameError(f"there is no result of the candidate {candidate!r}; found {', '.join(names)}.")
    others = [name for name in names if name != candidate]
    of_units, about_folds = selectivity_statistics(selectivity)
    of_maps = saliency_statistics(saliency) if saliency is not None else []
    of_features, about_images = embedding_statistics(embeddings)
    statistics = [*of_units, *of_maps, *of_features, *accuracy_statistics(saliency, [*selectivity, *embeddings])]
    rows = [row for statistic in statistics for row in _rows(statistic, candidate, others, seed)]
    table = pd.DataFrame([*rows, *_unit_rows(selectivity, candidate, others)], columns=COMPARISON_COLUMNS)
    claims, undecided = decide(statistics, candidate, others, stages, seed)
    return Comparison(candidate, table, claims, (*about_folds, *about_images, *undecided))


def _variants(
    selectivity: Sequence[SelectivityResult], saliency: SaliencyResult | None, embeddings: Sequence[Embedding]
) -> list[str]:
    in_maps = [] if saliency is None else [name for name in saliency.images["model"].unique() if name != CHANCE]
    return list(dict.fromkeys([*(each.model for each in selectivity), *in_maps, *(each.model for each in embeddings)]))


def _rows(statistic: Statistic, candidate: str, others: Sequence[str], seed: int) -> list[dict[str, object]]:
    """Return a row per other variant that has the statistic."""
    place: dict[str, object] = {"analysis": statistic.analysis, "layer": statistic.layer, "model": candidate}
    if candidate not in statistic.values:
        return []
    return [
        {**place, "against": other, "statistic": statistic.name} | asdict(statistic.difference(candidate, other, seed))
        for other in others
        if other in statistic.values
    ]


def _unit_rows(results: Sequence[SelectivityResult], candidate: str, others: Sequence[str]) -> list[dict[str, object]]:
    """Return how far the distributions over units are apart: descriptive, without intervals."""
    runs = {name: sum(result.model == name for result in results) for name in (candidate, *others)}
    nothing = float("nan")
    rows: list[dict[str, object]] = []
    for layer, units in unit_distributions(results).items():
        for other in others:
            if candidate not in units or other not in units:
                continue
            ours, theirs = units[candidate], units[other]
            counts, scope = f"{runs[candidate]} v {runs[other]}", scope_of(runs[candidate], runs[other])
            place = {"analysis": "selectivity", "layer": layer, "model": candidate, "against": other}
            for name, value in (
                ("wasserstein", float(stats.wasserstein_distance(ours, theirs))),
                ("cliffs_delta", cliffs_delta(ours, theirs)),
            ):
                rows.append(place | {"statistic": name} | asdict(Difference(value, nothing, nothing, counts, scope)))
    return rows


def cliffs_delta(ours: FloatArray, theirs: FloatArray) -> float:
    """Return the share of pairs in which ours is larger minus the share in which theirs is, from -1 to 1.

    References:
        Cliff, "Dominance statistics: ordinal analyses to answer ordinal questions", Psychological Bulletin 1993.
    """
    ordered = np.sort(theirs)
    smaller = np.searchsorted(ordered, ours, side="left")
    larger = len(ordered) - np.searchsorted(ordered, ours, side="right")
    return float((smaller - larger).mean() / len(ordered))
