"""Compare the candidate of every group of a study with the other variants of the group."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from autola_analysis.analyses.variants import task_of
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.layers import stage_names
from autola_analysis.statistics.claims import CLAIMS_TABLE, Claim
from autola_analysis.statistics.compare import COMPARISON_TABLE, Comparison, compare
from autola_analysis.statistics.difference import Comparable
from autola_analysis.study.comparison.candidate import candidate_of, claims_are_about
from autola_analysis.study.comparison.searched import random_wirings, searched_wirings
from autola_analysis.study.comparison.size import with_size
from autola_analysis.study.models import StudyModel
from autola_analysis.study.networks import Network, accuracy_statistic
from autola_analysis.study.plan import Plan


@dataclass(frozen=True)
class StudyComparison:
    """What the groups of a study differ in.

    Attributes:
        table: Rows of ``comparison.csv``.
        claims: Rows of ``claims.csv``.
        warnings: Sentences that belong beside them.
    """

    table: pd.DataFrame = field(default_factory=COMPARISON_TABLE.frame)
    claims: pd.DataFrame = field(default_factory=CLAIMS_TABLE.frame)
    warnings: tuple[str, ...] = ()


def compare_groups(plan: Plan, results: Mapping[str, Any], networks: Sequence[Network]) -> StudyComparison:
    """Compare the variants of every group in what the analyses measured.

    Args:
        plan: The study.
        results: Results of its analyses, by name.
        networks: Networks with their accuracy.
    """
    statistics: list[Comparable] = []
    warnings: list[str] = []
    for planned in plan.analyses:
        of_analysis, about = planned.analysis.statistics(results[planned.name])
        statistics += of_analysis
        warnings += about
    if statistics:
        statistics += accuracy_statistic(networks)
    claims = [claim for planned in plan.analyses for claim in planned.analysis.claims]
    measured = {name for statistic in statistics for name in statistic.values}
    guests = measured - {model.variant.name for model in plan.models}
    comparisons = []
    for group, models in plan.groups.items():
        members = [model for model in models if model.variant.name in measured]
        names = {model.variant.name for model in members}
        if not names or len(names | guests) < 2:
            continue
        try:
            compared = _compared(plan, members, guests, statistics, claims)
        except OptionError as error:
            warnings.append(f"nothing is compared{f' in {group}' if group else ''}: {error}")
        else:
            comparisons.append(replace(compared, claims=with_size(compared.claims, networks)))
    if not comparisons:
        return StudyComparison(warnings=tuple(warnings) if len(measured) > 1 else ())
    warnings += [warning for each in comparisons for warning in each.warnings]
    return StudyComparison(
        _joined([each.table for each in comparisons]),
        _joined([each.claims for each in comparisons]),
        tuple(dict.fromkeys(warnings)),
    )


def _compared(
    plan: Plan,
    models: Sequence[StudyModel],
    guests: Collection[str],
    statistics: Sequence[Comparable],
    claims: Sequence[Claim],
) -> Comparison:
    """Compare the candidate of a group with its other variants, and with what was measured of no network."""
    names = {model.variant.name for model in models}
    named = plan.file.candidate if plan.file.candidate in names else None
    variants = [model.variant for model in models]
    candidate = candidate_of(variants, named) if len(names) > 1 else variants[0].name
    stages = stage_names(models[0].variant.model) or None
    of_group = [restricted for each in statistics if (restricted := each.restricted({*names, *guests})).values]
    if claims_are_about(variants, named):
        task = task_of(next(variant for variant in variants if variant.name == candidate)).name
        searched, drawn = searched_wirings(models), random_wirings(models)
        # Without another wiring there is nothing to decide, which the page names as a control that is lacking.
        of_wirings = candidate in searched and len({*searched, *drawn}) > 1
        about = [claim for claim in claims if claim.task == task and (claim.against == "all" or of_wirings)]
        about.sort(key=lambda claim: claim.against != "all")  # these name all variants in the order they are shown
        return compare(candidate, of_group, about, stages, plan.file.seed, guests, drawn)
    compared = compare(candidate, of_group, (), stages, plan.file.seed, guests)
    unclaimed = (
        f"no variant among {', '.join(dict.fromkeys(each.name for each in variants))} has HOGA, which the paper's "
        f"claims are about; differences are those of {candidate}, the last one. Name a candidate to decide the claims "
        "for it."
    )
    return replace(compared, warnings=(*compared.warnings, unclaimed))


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join tables of the same columns; empty ones would make pandas guess types."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]
