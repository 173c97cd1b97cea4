"""The gates command's work: checkpoints and images in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autola_analysis.analyses.gates import GateResult, find_gates, measure_gates_of
from autola_analysis.analyses.observation import Reading
from autola_analysis.core.errors import LayerError
from autola_analysis.core.processes import current
from autola_analysis.figures.style import figure_width
from autola_analysis.inference.run import check_settings
from autola_analysis.report.accuracy import write_accuracy
from autola_analysis.report.compose import Layout, complete_report
from autola_analysis.report.directory import check_free
from autola_analysis.report.gates import write_gates
from autola_analysis.study.facts import facts_of, measured_models, warnings_of
from autola_analysis.study.models import LoadingOptions, StudyModel, load_models
from autola_analysis.study.shared import report_of_first
from autola_analysis.study.sources import DataOptions, source_for, title_of


@dataclass(frozen=True)
class GatesRequest:
    """One run of the gates command.

    Attributes:
        checkpoints: ``PATH`` or ``NAME=PATH``, in the order they are shown.
        out: Report directory.
        loading: How checkpoints are read.
        data: Which images.
        reading: Device, precision, batch size, workers, progress bar.
        width: Of the figure.
        overwrite: Whether an earlier report at `out` is replaced.
        anonymous: Whether paths, host and user are left out of everything written.
    """

    checkpoints: Sequence[str]
    out: Path
    loading: LoadingOptions = field(default_factory=LoadingOptions)
    data: DataOptions = field(default_factory=DataOptions)
    reading: Reading = field(default_factory=Reading)
    width: str = "neurips"
    overwrite: bool = False
    anonymous: bool = False


@dataclass(frozen=True)
class GatesReport:
    """What was measured and written.

    Attributes:
        results: In the order they are shown.
        warnings: Sentences that the page, the record and the terminal all show.
    """

    results: Sequence[GateResult]
    warnings: Sequence[str]


def gates_report(request: GatesRequest) -> GatesReport:
    """Measure the gates of some checkpoints and write a report; networks without gates are left out and named.

    Raises:
        AutolaError: If anything about checkpoints, images, options or the output directory is not as it should be,
            or no network has gates; nothing is written then.
    """
    check_free(request.out, request.overwrite)
    figure_width(request.width)
    check_settings(request.reading.settings)
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
