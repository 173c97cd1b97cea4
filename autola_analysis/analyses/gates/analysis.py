"""The gates of attention modules as an analysis: from what hangs on the pass to what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Subject
from autola_analysis.analyses.gates.find import NO_GATES, gates_of
from autola_analysis.analyses.gates.measure import GateWatcher, gate_result
from autola_analysis.analyses.gates.options import GateOptions
from autola_analysis.analyses.gates.result import FORMAT, STATISTICS, GateResult
from autola_analysis.analyses.gates.section import gates_section
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.core.errors import LayerError
from autola_analysis.core.results import Stored
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet


@dataclass(frozen=True)
class GateResults:
    """Results of the networks that have gates.

    Attributes:
        networks: A result per network with gates.
        without: Names of the variants that have none.
    """

    networks: Sequence[GateResult]
    without: tuple[str, ...] = ()


class Gates(Analysis[GateOptions, GateResults]):
    """Level, spread, saturation and class dependence of every gate."""

    name = "gates"
    format = FORMAT

    def check(self, options: GateOptions, subject: Subject) -> None:
        """Refuse networks of which none has gates."""
        if not any(gates_of(variant.model, variant.input_side) for variant in subject.variants):
            raise LayerError("none of the networks has attention gates, so that there is nothing to measure.")

    def watch(self, options: GateOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what sums up gates."""
        return [GateWatcher()]

    def measure(self, options: GateOptions, subject: Subject, observed: Observed, reading: Reading) -> GateResults:
        """Make a result per network with gates."""
        observations = observed.by_watcher[GateWatcher.name]
        with_gates = {each.variant.name for each in observations}
        without = dict.fromkeys(each.name for each in subject.variants if each.name not in with_gates)
        return GateResults([gate_result(each) for each in observations], tuple(without))

    def store(self, result: GateResults) -> Stored:
        """Return the results as tables and arrays."""
        return GateResult.together(result.networks)

    def restore(self, stored: Stored) -> GateResults:
        """Return the results of their tables and arrays."""
        return GateResults(GateResult.apart(stored))

    def sections(self, result: GateResults, sheet: Sheet) -> Sequence[Section]:
        """Draw the channel gates."""
        return [gates_section(result.networks, sheet)]

    def lines(self, result: GateResults) -> Lines:
        """Return a line per network and gate."""
        rows = []
        for each in result.networks:
            name = each.model if each.run == "1" else f"{each.model} run {each.run}"
            for gate, units in each.gates.groupby("gate", sort=False):
                means = (f"{units[column].mean():.4f}" for column in STATISTICS)
                rows.append([name, str(gate), str(len(units)), *means])
        return Lines(["model", "gate", "units", "mean", "std", "near 0", "near 1", "by class"], rows)

    def warnings(self, result: GateResults) -> Sequence[str]:
        """Return the warnings of all networks, and the networks that are left out."""
        left_out = [
            f"the variant {name!r} has no gates, and is left out of theirs: {NO_GATES}." for name in result.without
        ]
        return [*left_out, *(warning for each in result.networks for warning in each.warnings)]

    def settings(self, result: GateResults) -> list[Mapping[str, Any]]:
        """Return what else decided the numbers, per network."""
        return [{"model": each.model, "run": each.run, **each.settings} for each in result.networks]
