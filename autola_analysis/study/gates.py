"""The gates command's work: checkpoints and images in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from autola_analysis.analyses.gates import GateResult, find_gates, measure_gates_of
from autola_analysis.core.errors import LayerError
from autola_analysis.core.processes import current
from autola_analysis.report.accuracy import write_accuracy
from autola_analysis.report.compose import Layout, complete_report
from autola_analysis.report.gates import write_gates
from autola_analysis.study.facts import facts_of, measured_models, warnings_of
from autola_analysis.study.models import StudyModel, load_models
from autola_analysis.study.request import ReportRequest
from autola_analysis.study.shared import report_of_first
from autola_analysis.study.sources import source_for, title_of


@dataclass(frozen=True)
class GatesReport:
    """What was measured and written.

    Attributes:
        results: In the order they are shown.
        warnings: Sentences that the page, the record and the terminal all show.
    """

    results: Sequence[GateResult]
    warnings: Sequence[str]


def gates_report(request: ReportRequest) -> GatesReport:
    """Measure the gates of some checkpoints and write a report; networks without gates are left out and named.

    Raises:
        AutolaError: If anything about checkpoints, images, options or the output directory is not as it should be,
            or no network has gates; nothing is written then.
    """
    request.check()
    models, without = _with_gates(load_models(request.checkpoints, request.loading))
    source, left_out = source_for(models, request.data)
    with report_of_first(request.out, request.overwrite) as directory:
        results, passes = measure_gates_of([model.variant for model in models], source, request.reading)
        current().leave_to_first()
        write_gates(directory, results)
        write_accuracy(directory, measured_models(models, source, [result.accuracy for result in results]))
        said = [*without, *(warning for result in results for warning in result.warnings)]
        warnings = warnings_of(models, left_out, said)
        facts = {
            "analysis": "gates",
            **facts_of(models, source, left_out, request.data.hash_contents),
            "settings": [{"model": result.model, "run": result.run, **result.settings} for result in results],
            "seeds": {"limit": request.data.seed},
            "passes": [asdict(record) for record in passes],
        }
        layout = Layout("Attention gates", title_of(source), request.width, {"gates": {}})
        complete_report(directory, layout, facts, warnings, request.anonymous)
    return GatesReport(results, warnings)


def _with_gates(models: Sequence[StudyModel]) -> tuple[list[StudyModel], list[str]]:
    found, without = [], []
    for model in models:
        try:
            find_gates(model.variant.model)
            found.append(model)
        except LayerError as error:
            without.append(f"{model.variant.title} is left out: {error}")
    if not found:
        raise LayerError("none of the networks has attention gates, so that there is nothing to measure.")
    return found, without
