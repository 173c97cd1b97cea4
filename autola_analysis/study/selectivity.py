"""The selectivity command's work: checkpoints and images in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity import SelectivityOptions, SelectivityResult, measure_selectivities
from autola_analysis.analyses.variants import preprocessing_for
from autola_analysis.data.source import ImageSource
from autola_analysis.figures.style import figure_width
from autola_analysis.inference.cost import cost_of
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.run import PassRecord, check_settings
from autola_analysis.report.directory import check_free, report_directory
from autola_analysis.report.record import write_record
from autola_analysis.report.selectivity import MeasuredModel, write_selectivity
from autola_analysis.study.models import LoadingOptions, StudyModel, load_models
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
    check_free(request.out, request.overwrite)
    figure_width(request.width)
    check_settings(request.reading.settings)
    models = load_models(request.checkpoints, request.loading)
    for model in models:
        resolve_layers(model.variant.model, request.layers)
    source, left_out = source_for(models, request.data)
    with report_directory(request.out, request.overwrite) as directory:
        results, passes = measure_selectivities(
            [model.variant for model in models],
            source,
            request.layers,
            request.options,
            request.reading,
        )
        measured = [
            MeasuredModel(result, cost_of(model.variant.model, _image_shape(model, source)))
            for result, model in zip(results, models, strict=True)
        ]
        warnings = _warnings(models, results, left_out)
        write_selectivity(directory, measured, title_of(source), warnings, request.width)
        write_record(directory, _facts(request, models, source, left_out, results, passes), warnings)
    return SelectivityReport(results, warnings)


def _warnings(models: Sequence[StudyModel], results: Sequence[SelectivityResult], left_out: Sequence[str]) -> list[str]:
    found = [f"{model.variant.title}: {warning}" for model in models for warning in model.loaded.warnings]
    found += [warning for result in results for warning in result.warnings]
    if left_out:
        names = ", ".join(Path(path).name for path in left_out[:5])
        more = ", ..." if len(left_out) > 5 else ""
        found.append(f"{len(left_out)} images cannot be decoded and are left out (all in run.json): {names}{more}")
    return list(dict.fromkeys(found))


def _image_shape(model: StudyModel, source: ImageSource) -> tuple[int, int, int]:
    preprocessing = preprocessing_for(model.variant, source)
    assert preprocessing is not None
    channels, height, width = preprocessing.geometry(source.image(0)).shape
    return channels, height, width


def _facts(
    request: SelectivityRequest,
    models: Sequence[StudyModel],
    source: ImageSource,
    left_out: Sequence[str],
    results: Sequence[SelectivityResult],
    passes: Sequence[PassRecord],
) -> dict[str, Any]:
    return {
        "analysis": "selectivity",
        "models": [
            {
                "model": model.variant.name,
                "run": model.variant.run,
                "path": str(model.loaded.path),
                "sha256": model.loaded.sha256,
                "spec": model.loaded.spec.to_dict() if model.loaded.spec else None,
                "preprocessing": _recorded(model, source),
                "evidence": list(model.loaded.evidence),
                "warnings": list(model.loaded.warnings),
            }
            for model in models
        ],
        "data": {
            "name": source.name,
            "split": source.split,
            "images": len(source),
            "classes": len(source.classes),
            "fingerprint": source.fingerprint(),
            "contents": source.hash_contents() if request.data.hash_contents else None,
            "left_out": [str(path) for path in left_out],
        },
        "settings": [
            {"model": result.model, "run": result.run, "layers": result.layers, **result.settings} for result in results
        ],
        "seeds": {"limit": request.data.seed, "labels": request.options.seed},
        "passes": [asdict(record) for record in passes],
    }


def _recorded(model: StudyModel, source: ImageSource) -> dict[str, Any] | None:
    preprocessing = preprocessing_for(model.variant, source)
    return preprocessing.to_dict() if preprocessing else None
