"""The selectivity command's work: checkpoints and images in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity import SelectivityOptions, SelectivityResult, measure_selectivities
from autola_analysis.report.accuracy import accuracy_table
from autola_analysis.report.directory import check_free, report_directory
from autola_analysis.report.record import write_record
from autola_analysis.report.selectivity import write_selectivity
from autola_analysis.study.facts import facts_of, measured_models, warnings_of
from autola_analysis.study.models import LoadingOptions, load_models
from autola_analysis.study.sources import DataOptions, source_for, title_of


@dataclass(frozen=True)
class SelectivityRequest:
    """One run of the selectivity command.

    Attributes:
        checkpoints: ``PATH`` or ``NAME=PATH``, in the order they are shown.
        out: Report directory.
        layers: Layers; None takes the stages.
        loading: How checkpoints are read.
        data: Which images.
        options: What decides the numbers.
        reading: Device, precision, batch size, workers, progress bar.
        width: Of the figure.
        overwrite: Whether an earlier report at `out` is replaced.
    """

    checkpoints: Sequence[str]
    out: Path
    layers: Sequence[str] | None = None
    loading: LoadingOptions = field(default_factory=LoadingOptions)
    data: DataOptions = field(default_factory=DataOptions)
    options: SelectivityOptions = field(default_factory=SelectivityOptions)
    reading: Reading = field(default_factory=Reading)
    width: str = "neurips"
    overwrite: bool = False


def selectivity_report(request: SelectivityRequest) -> list[SelectivityResult]:
    """Measure the selectivity of some checkpoints and write a report.

    Returns:
        The results that the report shows.

    Raises:
        AutolaError: If anything about checkpoints, images, options or the output directory is not as it should be;
            nothing is written then.
    """
    check_free(request.out, request.overwrite)
    models = load_models(request.checkpoints, request.loading)
    source, left_out = source_for(models, request.data)
    with report_directory(request.out, request.overwrite) as directory:
        results, passes = measure_selectivities(
            [model.variant for model in models],
            source,
            request.layers,
            request.options,
            request.reading,
        )
        accuracy = accuracy_table(measured_models(models, source, [result.accuracy for result in results]))
        write_selectivity(directory, results, accuracy, title_of(source), request.width)
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
        said = [warning for result in results for warning in result.warnings]
        write_record(directory, facts, warnings_of(models, left_out, said))
    return results
