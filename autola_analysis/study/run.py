"""A whole study: models x data x analyses -> one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autola_analysis.analyses.observation import Reading
from autola_analysis.core.distributed import current
from autola_analysis.core.files import expanded
from autola_analysis.core.progress import Steps
from autola_analysis.core.results import write_stored
from autola_analysis.core.tables import write_table
from autola_analysis.data.source import Source
from autola_analysis.inference.channels import channel_axis
from autola_analysis.inference.run import check_settings
from autola_analysis.report.anonymous import Cleaner, short_names
from autola_analysis.report.directory import check_free, refuse_inputs_inside, report_directory
from autola_analysis.report.latex import write_latex
from autola_analysis.report.preprocessing import preprocessing_lines
from autola_analysis.report.record import new_record, write_record
from autola_analysis.report.thumbnails import source_thumbnails, write_thumbnails
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.statistics.compare import COMPARISON_TABLE
from autola_analysis.study.agreement import check_same_files, check_same_study
from autola_analysis.study.comparison.controls import CONTROLS_TABLE
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE
from autola_analysis.study.draw import Layout, draw_report
from autola_analysis.study.file import StudyFile, parse_study, read_study
from autola_analysis.study.inputs import image_folders, inputs_of
from autola_analysis.study.measure import StudyResults, measure_study, number_of_steps
from autola_analysis.study.networks import (
    ACCURACY_TABLE,
    accuracy_frame,
    loading_warnings,
    recorded_data,
    recorded_models,
)
from autola_analysis.study.plan import Plan, make_plan
from autola_analysis.study.wirings import WIRINGS_TABLE, wirings_frame


@dataclass(frozen=True)
class StudyReport:
    """What a study measured and wrote.

    Attributes:
        plan: What was run.
        results: What was measured.
        out: The report directory.
        preprocessing: What was done to the images, in words; a line for networks that share it.
    """

    plan: Plan
    results: StudyResults
    out: Path
    preprocessing: Sequence[str] = ()

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences that the page, the record and the terminal all show."""
        return self.results.warnings


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
    image once for everything that hangs on the pass.

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
    out, reading = expanded(out), reading or Reading()
    check_free(out, overwrite)
    check_settings(reading.settings)
    file, base = opened(study, base)
    quiet = reading.settings.quiet
    kinds = [request.kind for request in file.analyses if only is None or request.kind in only]
    steps = Steps(number_of_steps(kinds) + 3, quiet)
    with steps.step("checkpoints and images"):
        check_same_study(file, only)
        plan = make_plan(file, base, only, quiet)
        check_same_files(plan)
        own_file = expanded(study) if isinstance(study, (str, Path)) else None
        folders = dict.fromkeys(image_folders(plan), "the images' folder")
        refuse_inputs_inside(out, inputs_of(plan, base, own_file, reading.cache), folders)
    with _report_of_first(out, overwrite) as directory:
        with channel_axis(reading.settings.channel_axis):
            results = measure_study(plan, reading, steps)
            for planned in plan.analyses:
                planned.source.check_unchanged()
        with steps.step("tables"):
            warnings = _without_keys(plan, results) if anonymous else results.warnings
            record = {**new_record(_facts(plan, results), warnings), "layout": asdict(_layout(plan))}
            cleaner = Cleaner(record, base) if anonymous else None
            _write(directory, plan, results, cleaner, quiet)
            record = cleaner.record(record) if cleaner else record
        with steps.step("figures and page"):
            draw_report(directory, Layout(**record["layout"]), record, quiet)
            write_record(directory, record)
    return StudyReport(plan, results, out, preprocessing_lines(record["models"]))


def opened(study: str | Path | StudyFile | Mapping[str, Any], base: str | Path | None) -> tuple[StudyFile, Path]:
    """Return a study and the directory that its relative paths are relative to."""
    if isinstance(study, (str, Path)):
        return read_study(study), Path(base) if base is not None else expanded(study).absolute().parent
    file = study if isinstance(study, StudyFile) else parse_study(study)
    return file, Path(base) if base is not None else Path()


@contextmanager
def _report_of_first(out: Path, overwrite: bool) -> Iterator[Path]:
    """Yield the report directory in the first process only; the others write nothing and end before it is written."""
    if current().first:
        with report_directory(out, overwrite) as directory:
            yield directory
    else:
        yield out


def _write(directory: Path, plan: Plan, results: StudyResults, cleaner: Cleaner | None, quiet: bool) -> None:
    """Write tables, arrays and small images."""
    tables = [ACCURACY_TABLE, CLAIMS_TABLE, SEARCH_RANDOM_TABLE]
    frames = {ACCURACY_TABLE: accuracy_frame(results.networks)}
    if len(results.comparison.table):
        frames[COMPARISON_TABLE] = results.comparison.table
        frames[CLAIMS_TABLE] = results.comparison.claims
        frames[CONTROLS_TABLE] = results.controls
    if len(results.searched):
        frames[SEARCH_RANDOM_TABLE] = results.searched
    if len(wirings := wirings_frame([model.variant for model in plan.models])):
        frames[WIRINGS_TABLE] = wirings
    for table, frame in frames.items():
        write_table(directory, table, cleaner.table(frame) if cleaner else frame)
    groups = {}
    for planned in plan.analyses:
        names = _image_names(planned.source, cleaner)
        result = results.of[planned.name]
        result = planned.analysis.renamed(result, names) if cleaner else result
        stored = planned.analysis.store(result)
        write_stored(directory, planned.analysis.format, cleaner.stored(stored) if cleaner else stored)
        tables += planned.analysis.format.tables
        if mentioned := set(planned.analysis.mentioned(result)):
            numbers = [number for number, name in enumerate(planned.source.ids) if names[name] in mentioned]
            images = source_thumbnails(planned.source, numbers, quiet)
            groups[planned.name] = [replace(image, id=names[image.id]) for image in images]
    if groups:
        write_thumbnails(directory, groups)
    write_latex(directory, tables)


def _image_names(source: Source, cleaner: Cleaner | None) -> dict[str, str]:
    """Return what to call the images of a source, by id."""
    if cleaner is None:
        return {name: name for name in source.ids}
    return {name: cleaner.text(short) for name, short in short_names(source.ids).items()}


def _without_keys(plan: Plan, results: StudyResults) -> list[str]:
    """Return the warnings without those that quote keys of checkpoints, which may name somebody."""
    quoting, _ = loading_warnings(plan.models, [])
    left = [warning for warning in results.warnings if warning not in quoting]
    if quoting:
        left.insert(0, f"{len(quoting)} warnings about the files of weights quote their keys and are left out.")
    return left


def _layout(plan: Plan) -> Layout:
    data = "; ".join(dict.fromkeys(planned.images for planned in plan.analyses))
    analyses = {
        planned.name: {"data": planned.images, "options": planned.options.model_dump(mode="json")}
        for planned in plan.analyses
    }
    return Layout(plan.file.title, data, plan.file.width, analyses)


def _facts(plan: Plan, results: StudyResults) -> dict[str, Any]:
    """Return what ``run.json`` says of a study."""
    data = dict(plan.data)
    for own in plan.own_images:
        data.setdefault(own.key, own)
    sources: list[Source] = [each.source for each in data.values()]
    return {
        "study": plan.file.values(),
        "models": recorded_models(plan.models, sources),
        "data": {key: recorded_data(each) for key, each in data.items()},
        "settings": {planned.name: planned.analysis.settings(results.of[planned.name]) for planned in plan.analyses},
        "seeds": {"study": plan.file.seed},
        "passes": [asdict(record) for record in results.passes],
    }
