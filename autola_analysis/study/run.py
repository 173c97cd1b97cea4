"""A whole study: models x data x analyses -> one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autola_analysis.analyses.observation import Reading
from autola_analysis.inference.run import check_settings
from autola_analysis.report.accuracy import MeasuredModel, write_accuracy
from autola_analysis.report.anonymous import anonymous_images
from autola_analysis.report.claims import write_comparison
from autola_analysis.report.compose import Layout, complete_report
from autola_analysis.report.directory import check_free
from autola_analysis.report.embedding import write_embeddings
from autola_analysis.report.gates import write_gates
from autola_analysis.report.mentioned import mentioned_images
from autola_analysis.report.saliency import write_saliency
from autola_analysis.report.sanity import write_sanity
from autola_analysis.report.selectivity import write_selectivity
from autola_analysis.report.thumbnails import Thumbnail, source_thumbnails, write_thumbnails
from autola_analysis.report.units import write_units
from autola_analysis.study.facts import facts_of, measured_models, warnings_of
from autola_analysis.study.file import (
    EmbeddingTable,
    GatesTable,
    SaliencyTable,
    SelectivityTable,
    StudyFile,
    parse_study,
    read_study,
)
from autola_analysis.study.plan import Plan, Table, make_plan
from autola_analysis.study.results import StudyResults, measure_study
from autola_analysis.study.saliency import accuracies_of
from autola_analysis.study.shared import report_of_first


@dataclass(frozen=True)
class StudyReport:
    """What a study measured and wrote.

    Attributes:
        plan: What was run.
        results: What was measured.
        warnings: Sentences that the page, the record and the terminal all show.
        out: The report directory.
    """

    plan: Plan
    results: StudyResults
    warnings: Sequence[str]
    out: Path


def run_study(
    study: str | Path | StudyFile | Mapping[str, Any],
    out: str | Path,
    reading: Reading | None = None,
    *,
    base: str | Path | None = None,
    only: Sequence[str] | None = None,
    overwrite: bool = False,
    anonymous: bool = False,
) -> StudyReport:
    """Run all analyses of a study and write one report.

    Each data set is read once for all networks that share the geometry of their images, and each network sees each
    image once for selectivity, embedding, gates and accuracy together.

    Args:
        study: Path of a study file, or its content.
        out: Report directory.
        reading: Device, precision, batch size, workers, cache, progress bar.
        base: Directory that relative paths are relative to; None takes the study file's, else the current one.
        only: Kinds of analyses to run; None runs all.
        overwrite: Whether an earlier report at `out` is replaced.
        anonymous: Whether paths, host and user are left out of everything written.

    Raises:
        AutolaError: If anything about the file, checkpoints, images or the output directory is not as it should be;
            nothing is written then.
    """
    out, reading = Path(out), reading or Reading()
    check_free(out, overwrite)
    check_settings(reading.settings)
    file, base = opened(study, base)
    quiet = bool(reading.settings and reading.settings.quiet)
    plan = make_plan(file, base, only, quiet)
    with report_of_first(out, overwrite) as directory:
        results = measure_study(plan, reading)
        if anonymous and results.saliency is not None:
            results = replace(results, saliency=anonymous_images(results.saliency))
        warnings = _all_warnings(plan, results)
        layout = _write(directory, plan, results, quiet)
        complete_report(directory, layout, _facts(plan, results), warnings, anonymous)
    return StudyReport(plan, results, warnings, out)


def opened(study: str | Path | StudyFile | Mapping[str, Any], base: str | Path | None) -> tuple[StudyFile, Path]:
    """Return a study and the directory that its relative paths are relative to."""
    if isinstance(study, (str, Path)):
        return read_study(study), Path(base) if base is not None else Path(study).absolute().parent
    file = study if isinstance(study, StudyFile) else parse_study(study)
    return file, Path(base) if base is not None else Path()


def _write(directory: Path, plan: Plan, results: StudyResults, quiet: bool) -> Layout:
    """Write tables and arrays, and return what to draw of them."""
    sections: dict[str, dict[str, Any]] = {}
    passes = results.passes
    if passes.selectivity:
        write_selectivity(directory, passes.selectivity)
        sections["selectivity"] = _images_of(plan, SelectivityTable)
    if results.embeddings:
        order = [(each.variant.name, each.variant.run) for each in plan.models]
        everything = [*results.embeddings, *results.rated]
        write_embeddings(directory, sorted(everything, key=lambda each: order.index((each.model, each.run))))
        embedding = plan.table(EmbeddingTable)
        sections["embedding"] = {**_images_of(plan, EmbeddingTable), "align": bool(embedding and embedding.align)}
    if results.saliency is not None:
        write_saliency(directory, results.saliency)
        sections["saliency"] = {**_images_of(plan, SaliencyTable), "scale": _scale(plan)}
    if results.sanity is not None:
        write_sanity(directory, results.sanity)
        sections["sanity"] = _images_of(plan, SaliencyTable)
    if passes.gates:
        write_gates(directory, passes.gates)
        sections["gates"] = _images_of(plan, GatesTable)
    table = plan.table(SelectivityTable)
    if table and passes.top_images:
        write_units(directory, passes.top_images, plan.data_of(table).source.ids)
        sections["units"] = {}
    if len(results.comparison):
        write_comparison(directory, results.comparison, results.claims)
        sections["comparison"] = {}
    if groups := _thumbnails(plan, results, quiet):
        write_thumbnails(directory, groups)
    write_accuracy(directory, _measured(plan, results))
    data = "; ".join(dict.fromkeys(each.title for each in plan.data.values())) or "image files"
    return Layout(plan.file.title, data, plan.file.width, sections)


def _thumbnails(plan: Plan, results: StudyResults, quiet: bool) -> dict[str, Iterator[Thumbnail]]:
    """Return the images that the page shows small."""
    groups = {}
    if table := plan.table(SelectivityTable):
        source = plan.data_of(table).source
        shown = mentioned_images(source.ids, (), results.passes.selectivity, results.passes.top_images)
        groups["units"] = source_thumbnails(source, shown, quiet)
    if embedding := plan.table(EmbeddingTable):
        source = plan.data_of(embedding).source
        shown = mentioned_images(source.ids, results.embeddings)
        groups["embedding"] = source_thumbnails(source, shown, quiet)
    return groups


def _images_of(plan: Plan, kind: type[Table]) -> dict[str, str]:
    """Return what the captions of an analysis call its images."""
    table = plan.table(kind)
    if table is None or (isinstance(table, SaliencyTable) and table.images is not None):
        return {"data": "image files"}
    return {"data": plan.data_of(table).title}


def _scale(plan: Plan) -> str:
    table = plan.table(SaliencyTable)
    return table.scale if table else "own"


def _measured(plan: Plan, results: StudyResults) -> list[MeasuredModel]:
    """Return accuracy and cost of every network, of the passes, or of the images explained where there were none."""
    measured: list[MeasuredModel] = []
    for key, accuracies in results.passes.accuracies.items():
        models = [each.model for each in plan.models if (each.variant.name, each.variant.run) in accuracies]
        found = [accuracies[model.variant.name, model.variant.run] for model in models]
        measured += measured_models(models, plan.data[key].source, found)
    if not measured and results.saliency is not None and results.explained is not None:
        table = plan.table(SaliencyTable)
        assert table is not None
        models = [each.model for each in plan.models_of(table)]
        measured = measured_models(models, results.explained, accuracies_of(models, results.saliency))
    return measured


def _all_warnings(plan: Plan, results: StudyResults) -> list[str]:
    left_out = [path for data in plan.data.values() for path in data.left_out]
    return warnings_of([each.model for each in plan.models], left_out, results.warnings)


def _facts(plan: Plan, results: StudyResults) -> dict[str, Any]:
    """Return what ``run.json`` says of a study."""
    models = [each.model for each in plan.models]
    sources = {key: (data.source, data.left_out) for key, data in plan.data.items()}
    if not sources and results.explained is not None:
        sources["images"] = (results.explained, ())
    described = {key: facts_of(models, source, left_out) for key, (source, left_out) in sources.items()}
    passes = results.passes
    return {
        "analysis": "study",
        "study": plan.file.model_dump(mode="json", exclude_none=True),
        "models": next(iter(described.values()))["models"],
        "data": {key: facts["data"] for key, facts in described.items()},
        "settings": {
            "selectivity": [{"model": each.model, "run": each.run, **each.settings} for each in passes.selectivity],
            "gates": [{"model": each.model, "run": each.run, **each.settings} for each in passes.gates],
            "features": [{"model": each.model, "run": each.run, **each.settings} for each in passes.features],
            "embeddings": [{"model": each.model, "run": each.run, **each.params} for each in results.embeddings],
            "saliency": dict(results.saliency.settings) if results.saliency else {},
        },
        "seeds": {"study": plan.file.seed},
        "passes": [asdict(record) for record in passes.records],
    }
