"""The selectivity command's work: checkpoints and images in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from autola_analysis.analyses.selectivity import SelectivityOptions, SelectivityResult, measure_selectivities
from autola_analysis.core.processes import current
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.report.accuracy import write_accuracy
from autola_analysis.report.compose import Layout, complete_report
from autola_analysis.report.selectivity import write_selectivity
from autola_analysis.study.facts import facts_of, measured_models, warnings_of
from autola_analysis.study.models import load_models
from autola_analysis.study.request import ReportRequest
from autola_analysis.study.shared import report_of_first
from autola_analysis.study.sources import source_for, title_of


@dataclass(frozen=True)
class SelectivityRequest(ReportRequest):
    """One run of the selectivity command.

    Attributes:
        layers: Layers; None takes the stages.
        options: What decides the numbers.
    """

    layers: Sequence[str] | None = None
    options: SelectivityOptions = field(default_factory=SelectivityOptions)


@dataclass(frozen=True)
class SelectivityReport:
    """What was measured and written.

    Attributes:
        results: In the order they are shown.
        warnings: Sentences that the page, the record and the terminal all show.
    """

    results: Sequence[SelectivityResult]
    warnings: Sequence[str]


def selectivity_report(request: SelectivityRequest) -> SelectivityReport:
    """Measure the selectivity of some checkpoints and write a report.

    Raises:
        AutolaError: If anything about checkpoints, images, options or the output directory is not as it should be;
            nothing is written then.
    """
    request.check()
    models = load_models(request.checkpoints, request.loading)
    for model in models:
        resolve_layers(model.variant.model, request.layers)
    source, left_out = source_for(models, request.data)
    with report_of_first(request.out, request.overwrite) as directory:
        results, passes = measure_selectivities(
            [model.variant for model in models],
            source,
            request.layers,
            request.options,
            request.reading,
        )
        current().leave_to_first()
        write_selectivity(directory, results)
        write_accuracy(directory, measured_models(models, source, [result.accuracy for result in results]))
        warnings = warnings_of(models, left_out, [warning for result in results for warning in result.warnings])
        facts = {
            "analysis": "selectivity",
            **facts_of(models, source, left_out, request.data.hash_contents),
            "settings": [
                {"model": result.model, "run": result.run, "layers": result.layers, **result.settings}
                for result in results
            ],
            "seeds": {"limit": request.data.seed, "labels": request.options.seed},
            "passes": [asdict(record) for record in passes],
        }
        layout = Layout("Class selectivity", title_of(source), request.width, {"selectivity": {}})
        complete_report(directory, layout, facts, warnings, request.anonymous)
    return SelectivityReport(results, warnings)
