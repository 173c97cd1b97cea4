"""The gates of attention modules as an analysis: from what hangs on the pass to what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Subject
from autola_analysis.analyses.gates.find import NO_GATES, gates_of
from autola_analysis.analyses.gates.measure import GateWatcher, gate_result
from autola_analysis.analyses.gates.options import GateOptions
from autola_analysis.analyses.gates.result import CONTRAST, FORMAT, GateResult
from autola_analysis.analyses.gates.section import gates_section
from autola_analysis.analyses.joint_items import observed_in_crops
from autola_analysis.analyses.object_items import IMAGES, JOINTS
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.core.errors import LayerError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import number_text
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

IN_TERMINAL = {
    "mean": "mean", "std": "std", "saturated_low": "near 0", "saturated_high": "near 1", "class_variation": "by class",
}  # fmt: skip
"""Columns whose means over units the terminal shows -> what they are called there"""


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
    tasks = frozenset({"classification", "detection", "keypoints"})

    def check(self, options: GateOptions, subject: Subject) -> None:
        """Refuse networks of which none has gates, and objects that no class has enough of."""
        _watcher(subject.in_crops)
        if not any(gates_of(variant.model, variant.input_side) for variant in subject.variants):
            raise LayerError("none of the networks has attention gates, so that there is nothing to measure.")

    def watch(self, options: GateOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what sums up gates."""
        return [] if subject.finds_joints else [_watcher(subject)]

    def measure(self, options: GateOptions, subject: Subject, observed: Observed, reading: Reading) -> GateResults:
        """Make a result per network with gates."""
        if subject.finds_joints:
            shown = subject.in_crops
            observed = observed_in_crops([_watcher(shown)], shown, reading)
        observations = observed.by_watcher[GateWatcher.name]
        with_gates = {each.variant.name for each in observations}
        without = dict.fromkeys(each.name for each in subject.variants if each.name not in with_gates)
        return GateResults([gate_result(each, options.seed) for each in observations], tuple(without))

    def store(self, result: GateResults) -> Stored:
        """Return the results as tables and arrays."""
        return GateResult.together(result.networks)

    def restore(self, stored: Stored) -> GateResults:
        """Return the results of their tables and arrays."""
        return GateResults(GateResult.apart(stored))

    def sections(self, result: GateResults, sheet: Sheet) -> Sequence[Section]:
        """Draw the channel gates, and spatial gates on objects."""
        return [gates_section(result.networks, sheet)]

    def lines(self, result: GateResults) -> Lines:
        """Return a line per network and gate."""
        items = result.networks[0].items
        columns = {**IN_TERMINAL, **({} if items == IMAGES else {CONTRAST[0]: f"on {items}"})}
        rows = []
        for each in result.networks:
            name = each.model if each.run == "1" else f"{each.model} run {each.run}"
            for gate, units in each.gates.groupby("gate", sort=False):
                means = (number_text(units[column].mean()) for column in columns)
                rows.append([name, str(gate), str(len(units)), *means])
        return Lines(["model", "gate", "units", *columns.values()], rows)

    def warnings(self, result: GateResults) -> Sequence[str]:
        """Return the warnings of all networks, and the networks that are left out."""
        left_out = [
            f"the variant {name!r} has no gates and is left out of their analysis: {NO_GATES}."
            for name in result.without
        ]
        return [*left_out, *(warning for each in result.networks for warning in each.warnings)]

    def settings(self, result: GateResults) -> list[Mapping[str, Any]]:
        """Return what else decided the numbers, per network."""
        return [{"model": each.model, "run": each.run, **each.settings} for each in result.networks]

    def accuracies(self, result: GateResults) -> Mapping[tuple[str, str], Accuracy]:
        """Return the number of crops of networks for joints, which have no accuracy; the pass counts others'."""
        return {(each.model, each.run): each.accuracy for each in result.networks if each.items == JOINTS}


def _watcher(subject: Subject) -> GateWatcher:
    """Return what sums up gates, of objects or joints where the images hold some."""
    source = subject.source
    return GateWatcher(subject.items, source) if isinstance(source, ObjectSource) else GateWatcher()
