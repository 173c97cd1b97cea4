"""What variants are compared by beside accuracy, which every comparison has: negative log likelihood per image."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.evaluate.quality import NLL
from autola_analysis.analyses.evaluate.result import EvaluationResult
from autola_analysis.analyses.evaluate.rows import measured_runs, same_images, stacked
from autola_analysis.statistics.difference import Statistic

ANALYSIS = "evaluate"


def evaluation_statistics(results: Sequence[EvaluationResult]) -> list[Statistic]:
    """Return the statistics of the variants whose accuracy was measured; none where none was."""
    runs = measured_runs(results)
    if not runs:
        return []
    paired = same_images([run for of_variant in runs.values() for run in of_variant])
    values = {name: stacked(of_variant) for name, of_variant in runs.items()}
    return [Statistic(ANALYSIS, "", NLL, {name: of_one[NLL] for name, of_one in values.items()}, paired=paired)]
