"""The evaluation of classifiers as an analysis: from what hangs on the pass to what stands on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Subject
from autola_analysis.analyses.evaluate.compared import evaluation_statistics
from autola_analysis.analyses.evaluate.measure import PredictionWatcher, evaluation_result
from autola_analysis.analyses.evaluate.options import EvaluationOptions
from autola_analysis.analyses.evaluate.quality import ECE, NLL, TOP1, TOP5
from autola_analysis.analyses.evaluate.result import FORMAT, EvaluationResult
from autola_analysis.analyses.evaluate.rows import rows_over_runs
from autola_analysis.analyses.evaluate.section import evaluation_section
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.core.errors import OptionError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import percent_text
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable


@dataclass(frozen=True)
class EvaluationResults:
    """Results of the networks that have a head.

    Attributes:
        networks: A result per network with a head.
        without: Titles of the networks that have none.
    """

    networks: Sequence[EvaluationResult]
    without: tuple[str, ...] = ()


class Evaluate(Analysis[EvaluationOptions, EvaluationResults]):
    """Accuracy, likelihood, calibration, accuracy per class, confusions."""

    name = "evaluate"
    format = FORMAT

    def check(self, options: EvaluationOptions, subject: Subject) -> None:
        """Refuse networks of which none has a head."""
        if not any(variant.has_head for variant in subject.variants):
            raise OptionError("none of the networks has a head, so that there are no predictions to evaluate.")

    def watch(self, options: EvaluationOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what keeps predictions."""
        return [PredictionWatcher()]

    def measure(
        self, options: EvaluationOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> EvaluationResults:
        """Make a result per network with a head; empty ones in all but the first of several processes."""
        return EvaluationResults(
            [evaluation_result(each, options) for each in observed.by_watcher[PredictionWatcher.name]],
            tuple(variant.title for variant in subject.variants if not variant.has_head),
        )

    def store(self, result: EvaluationResults) -> Stored:
        """Return the results, and the rows of variants over all their runs, as tables and arrays."""
        return EvaluationResult.together(result.networks, rows_over_runs(result.networks))

    def restore(self, stored: Stored) -> EvaluationResults:
        """Return the results of their tables and arrays."""
        return EvaluationResults(EvaluationResult.apart(stored))

    def statistics(self, result: EvaluationResults) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return negative log likelihood over images; every comparison has accuracy by itself."""
        return evaluation_statistics(result.networks), ()

    def sections(self, result: EvaluationResults, sheet: Sheet) -> Sequence[Section]:
        """Draw accuracy per class and confusion matrices."""
        return [evaluation_section(result.networks, sheet)]

    def lines(self, result: EvaluationResults) -> Lines:
        """Return a line per network."""
        several_runs = any(each.run != "1" for each in result.networks)
        rows = []
        for each in result.networks:
            name = f"{each.model} run {each.run}" if several_runs else each.model
            by_metric = {row["metric"]: row for row in each.metrics.to_dict("records")}
            known = {key: row for key, row in by_metric.items() if not math.isnan(row["value"])}
            first = percent_text(*(by_metric[TOP1][key] for key in ("value", "ci_low", "ci_high")))
            top5 = percent_text(known[TOP5]["value"]) if TOP5 in known else ""
            others = (f"{known[metric]['value']:.4f}" if metric in known else "" for metric in (NLL, ECE))
            rows.append([name, str(len(each.predictions.labels)), first, top5, *others])
        return Lines(["model", "images", "top-1, 95% interval", "top-5", "nll", "ece"], rows)

    def warnings(self, result: EvaluationResults) -> Sequence[str]:
        """Return the warnings of all networks, and the networks that are left out."""
        left_out = [f"{title} is left out: it has no head, hence no predictions." for title in result.without]
        return list(dict.fromkeys([*left_out, *(warning for each in result.networks for warning in each.warnings)]))

    def settings(self, result: EvaluationResults) -> list[Mapping[str, Any]]:
        """Return what else decided the numbers, per network."""
        return [{"model": each.model, "run": each.run, **each.settings} for each in result.networks]
