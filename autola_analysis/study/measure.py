"""From a plan to results: passes, what every analysis makes of them, the comparison. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from autola_analysis.analyses.analysis import Analysis, Observed
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.registry import analysis_of
from autola_analysis.core.distributed import current
from autola_analysis.core.progress import Steps
from autola_analysis.core.results import Stored
from autola_analysis.inference.run import PassRecord
from autola_analysis.study.comparison.compared import StudyComparison, compare_groups
from autola_analysis.study.comparison.controls import CONTROLS_TABLE, controls_frame
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE, search_random_frame
from autola_analysis.study.networks import Network, loading_warnings
from autola_analysis.study.passes import run_passes
from autola_analysis.study.plan import Plan, PlannedAnalysis
from autola_analysis.study.wirings import numbers_of_wirings, wirings_frame, with_wirings


@dataclass(frozen=True)
class StudyResults:
    """Everything that a study measured.

    Attributes:
        of: Result of every analysis, by name.
        networks: Networks with their accuracy and cost.
        comparison: Differences of variants, and claims.
        controls: Rows of ``controls.csv``.
        searched: Rows of ``search_random.csv``.
        passes: Records of the passes that were run.
        warnings: Sentences that belong beside the numbers, each once.
    """

    of: dict[str, Any]
    networks: Sequence[Network]
    comparison: StudyComparison = field(default_factory=StudyComparison)
    controls: pd.DataFrame = field(default_factory=CONTROLS_TABLE.frame)
    searched: pd.DataFrame = field(default_factory=SEARCH_RANDOM_TABLE.frame)
    passes: Sequence[PassRecord] = ()
    warnings: Sequence[str] = ()


def number_of_steps(kinds: Sequence[str]) -> int:
    """Return how many steps `measure_study` names for analyses of these kinds."""
    return 2 + len(kinds) + sum(_finishes(analysis_of(kind)) for kind in kinds)


def measure_study(plan: Plan, reading: Reading, steps: Steps | None = None) -> StudyResults:
    """Run a plan; processes that share the run measure together, and the first does the rest.

    Args:
        plan: What to run.
        reading: How.
        steps: Names what runs; None shows nothing.
    """
    steps = steps or Steps(0, quiet=True)
    with steps.step("passes over the images"):
        passes = run_passes(plan, reading)
    together: dict[str, Any] = {}
    for planned in plan.analyses:
        with steps.step(planned.name):
            observed = passes.observed.get(planned.name, Observed())
            observed = Observed(observed.by_watcher, _needed(planned, plan, together))
            together[planned.name] = planned.analysis.measure(planned.options, planned.subject, observed, reading)
    current().leave_to_first()
    results = {}
    for planned in plan.analyses:
        with steps.step(f"{planned.name}, second part") if _finishes(planned.analysis) else nullcontext():
            results[planned.name] = planned.analysis.finish(
                planned.options, planned.subject, together[planned.name], reading
            )
    with steps.step("comparison of variants"):
        networks = passes.networks or _networks(plan, results)
        comparison = _with_wirings(compare_groups(plan, results, networks), plan)
        controls = controls_frame(comparison.table, networks)
        searched = search_random_frame(plan, networks)
        warnings = _warnings(plan, results, comparison)
    return StudyResults(results, networks, comparison, controls, searched, passes.records, warnings)


def _finishes(analysis: Analysis[Any, Any]) -> bool:
    """Return whether one process has something to do alone."""
    return type(analysis).finish is not Analysis.finish


def _needed(planned: PlannedAnalysis, plan: Plan, results: dict[str, Any]) -> dict[str, Stored]:
    """Return the results that an analysis reads, as their declared tables and arrays."""
    analyses = {each.name: each.analysis for each in plan.analyses}
    return {name: analyses[name].store(results[name]) for name in planned.analysis.needs}


def _networks(plan: Plan, results: dict[str, Any]) -> list[Network]:
    """Return the networks of a study without passes, with the accuracy that an analysis measured by itself."""
    networks = {}
    for planned in plan.analyses:
        accuracies = planned.analysis.accuracies(results[planned.name])
        for model in planned.models:
            accuracy = accuracies.get((model.variant.name, model.variant.run))
            if accuracy is not None and model.title not in networks:
                networks[model.title] = Network.of(model, planned.source, accuracy)
    return list(networks.values())


def _with_wirings(comparison: StudyComparison, plan: Plan) -> StudyComparison:
    wirings = numbers_of_wirings(wirings_frame([model.variant for model in plan.models]))
    table, claims = (with_wirings(frame, wirings) for frame in (comparison.table, comparison.claims))
    return replace(comparison, table=table, claims=claims)


def _warnings(plan: Plan, results: dict[str, Any], comparison: StudyComparison) -> list[str]:
    of_models, left_out = loading_warnings(plan.models, [*plan.data.values(), *plan.own_images])
    of_analyses = [warning for planned in plan.analyses for warning in planned.analysis.warnings(results[planned.name])]
    return list(dict.fromkeys([*of_models, *of_analyses, *comparison.warnings, *left_out]))
