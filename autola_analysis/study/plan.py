"""From a study file to what will be run: models loaded, images opened, everything checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Subject
from autola_analysis.analyses.options import AnalysisOptions
from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.analyses.variants import check_task
from autola_analysis.core.errors import LayerError, OptionError, UnknownNameError
from autola_analysis.data.agreement import check_same_images
from autola_analysis.data.source import Source
from autola_analysis.data.subset import limit
from autola_analysis.report.style import figure_width
from autola_analysis.study.file import AnalysisRequest, DataTable, StudyFile
from autola_analysis.study.models import StudyModel, check_tables, load_models
from autola_analysis.study.sources import (
    StudyData,
    holds_objects,
    open_data,
    read_through,
    readable,
    suggested_source,
)

OWN_IMAGES = "image files"
"""What captions call images that an analysis was given by name."""


@dataclass(frozen=True)
class PlannedAnalysis:
    """An analysis of a study, ready to run.

    Attributes:
        analysis: What to do.
        options: Its options, with the study's seed and absolute paths.
        models: Networks, in the order they are shown.
        data: Its data; None where the options name images of their own.
        source: Images that it looks at: its data, or a sample of them, or its own.
        left_out: Paths of images of its own that cannot be decoded.
    """

    analysis: Analysis[Any, Any]
    options: AnalysisOptions
    models: Sequence[StudyModel]
    data: StudyData | None
    source: Source
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the analysis."""
        return self.analysis.name

    @property
    def images(self) -> str:
        """What captions call its images."""
        return OWN_IMAGES if self.data is None else self.data.title

    @cached_property
    def subject(self) -> Subject:
        """Networks and images, as the analysis takes them."""
        return Subject([model.variant for model in self.models], self.source)


@dataclass(frozen=True)
class Plan:
    """What a study will run.

    Attributes:
        file: The study file, without the analyses that are left out.
        models: In the order they are shown.
        analyses: In the order of the page.
        data: By key; only those that an analysis reads.
    """

    file: StudyFile
    models: Sequence[StudyModel]
    analyses: Sequence[PlannedAnalysis]
    data: dict[str, StudyData] = field(default_factory=dict)

    @property
    def own_images(self) -> list[StudyData]:
        """The images that analyses were given by name."""
        own = [planned for planned in self.analyses if planned.data is None]
        return [StudyData(OWN_IMAGES, planned.source, planned.left_out) for planned in own]

    @property
    def groups(self) -> dict[str, list[StudyModel]]:
        """The models by group, in order."""
        groups: dict[str, list[StudyModel]] = {}
        for model in self.models:
            groups.setdefault(model.group, []).append(model)
        return groups


def make_plan(file: StudyFile, base: Path, only: Sequence[str] | None = None, quiet: bool = False) -> Plan:
    """Load and open everything that a study names, and check what can be checked before the work.

    Args:
        file: The study file.
        base: Directory that relative paths in it are relative to.
        only: Kinds of analyses to run; None runs all.
        quiet: Whether to leave out progress bars.

    Raises:
        AutolaError: If a file is missing, a checkpoint cannot be loaded, or an option does not fit a network.
    """
    file = _restricted(file, only)
    figure_width(file.width)
    used = {key for request in file.analyses for key in request.models or file.models}
    tables = {key: table for key, table in file.models.items() if key in used}
    kinds = _detectors(file)
    check_tables(tables, base)
    asked = [_Asked.of(request, file, base) for request in file.analyses]
    opened: dict[str, StudyData] = {}
    for each in asked:
        _open_named(each, file, base, opened)
    models = load_models(tables, base, *kinds)
    names = list(dict.fromkeys(model.variant.name for model in models))
    if file.candidate is not None and file.candidate not in names:
        raise UnknownNameError(f"the candidate {file.candidate!r} is none of the models; there are {', '.join(names)}.")
    plan = Plan(file, models, [], {})
    planned = [_planned(each, plan, opened, base, quiet) for each in asked]
    _refuse_missing_needs(planned)
    order = _in_order(planned)
    return Plan(file, models, sorted(planned, key=lambda each: order.index(each.name)), plan.data)


def _detectors(file: StudyFile) -> tuple[set[str], set[str]]:
    """Return the keys of the models that see objects, and of those that are read as what they hold.

    The latter see nothing but images named one by one, or those that their files suggest.

    Raises:
        OptionError: If one is to see objects, and images with labels too.
    """
    found: dict[bool, set[str]] = {True: set(), False: set()}
    either: set[str] = set()
    for request in file.analyses:
        models = set(request.models or file.models)
        table = None if request.options.names_images else file.data[request.data or next(iter(file.data))]
        if table is None or table.source is None:
            either |= models
        else:
            found[holds_objects(table)] |= models
    if both := sorted(found[True] & found[False]):
        raise OptionError(f"{both[0]} is to see objects and images with labels; give each analysis models of its own.")
    return found[True], either - found[True] - found[False]


def _restricted(file: StudyFile, only: Sequence[str] | None) -> StudyFile:
    if only is None:
        return file
    kinds = [request.kind for request in file.analyses]
    for kind in only:
        if kind not in kinds:
            raise OptionError(f"--only names {kind!r}, which the study does not have; it has {', '.join(kinds)}.")
    return file.model_copy(update={"analyses": [request for request in file.analyses if request.kind in only]})


@dataclass(frozen=True)
class _Asked:
    """An analysis of a study before any network is loaded.

    Attributes:
        request: Which.
        analysis: What to do.
        options: Its options, with the study's seed and absolute paths.
        key: Of its data table; None where the options name images of their own.
    """

    request: AnalysisRequest
    analysis: Analysis[Any, Any]
    options: AnalysisOptions
    key: str | None

    @classmethod
    def of(cls, request: AnalysisRequest, file: StudyFile, base: Path) -> _Asked:
        """Look up an analysis; images of its own that are not there are refused."""
        analysis, options = analysis_of(request.kind), request.options.relative_to(base)
        if "seed" not in options.model_fields_set:
            options = options.model_copy(update={"seed": file.seed})
        if analysis.own_images(options) is None:
            return cls(request, analysis, options, _key_of_data(request, file))
        if request.data is not None:
            raise OptionError(f"{request.kind} names images of its own and data; give one of them.")
        return cls(request, analysis, options, None)

    def sample(self, source: Source) -> Source:
        """Return the images of a source that it looks at."""
        return source if self.options.limit == "all" else limit(source, self.options.limit, self.options.seed)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put the name of the analysis before what it refuses."""
        try:
            yield
        except (LayerError, UnknownNameError, OptionError) as error:
            raise type(error)(f"{self.request.kind}: {error}") from error


def _key_of_data(request: AnalysisRequest, file: StudyFile) -> str:
    if request.data is None and len(file.data) > 1:
        raise OptionError(f"{request.kind} does not say which data; give data = one of {', '.join(file.data)}.")
    return request.data or next(iter(file.data))


def _open_named(asked: _Asked, file: StudyFile, base: Path, opened: dict[str, StudyData]) -> None:
    """Open the images of an analysis where the study names them, before any checkpoint is loaded."""
    key = asked.key
    if key is None or (source := file.data[key].source) is None:
        return
    if key not in opened:
        opened[key] = open_data(key, file.data[key], source, base, file.seed)
    if _known_before_networks(file.data[key]):
        with asked.named():
            asked.analysis.check_source(asked.options, asked.sample(opened[key].source))


def _known_before_networks(table: DataTable) -> bool:
    """Return whether neither a checkpoint nor a look at all images decides which images there are."""
    return table.source is not None and not table.skip_bad_images


def _planned(asked: _Asked, plan: Plan, opened: Mapping[str, StudyData], base: Path, quiet: bool) -> PlannedAnalysis:
    analysis, options, request = asked.analysis, asked.options, asked.request
    models = [model for model in plan.models if request.models is None or model.key in request.models]
    if asked.key is None:
        source = analysis.own_images(options, any(model.variant.finds_objects for model in models))
        assert source is not None
        data, checked = None, False
    else:
        data = _data_of(asked.key, plan, opened, models, base, quiet)
        source, checked = data.source, _known_before_networks(plan.file.data[asked.key])
    sample = asked.sample(source)
    check_same_images(sample)
    left_out: tuple[str, ...] = ()
    if data is None and any(table.skip_bad_images for table in plan.file.data.values()):
        sample, left_out = readable(sample, quiet)
    planned = PlannedAnalysis(analysis, options, models, data, sample, left_out)
    with asked.named():
        check_task(request.kind, analysis.tasks, planned.subject.variants, sample)
        if not checked:
            analysis.check_source(options, sample)
        analysis.check(options, planned.subject)
    return planned


def _data_of(
    key: str, plan: Plan, opened: Mapping[str, StudyData], models: Sequence[StudyModel], base: Path, quiet: bool
) -> StudyData:
    if key not in plan.data:
        table = plan.file.data[key]
        data = opened.get(key) or open_data(key, table, suggested_source(models), base, plan.file.seed)
        plan.data[key] = read_through(data, table, quiet)
    return plan.data[key]


def _refuse_missing_needs(planned: Sequence[PlannedAnalysis]) -> None:
    kinds = {each.name for each in planned}
    for each in planned:
        missing = sorted(each.analysis.needs - kinds)
        if missing:
            raise OptionError(f"{each.name} reads the numbers of {', '.join(missing)}, which the study does not have.")


def _in_order(planned: Sequence[PlannedAnalysis]) -> list[str]:
    """Return the names in the order of the page, an analysis behind those that it needs."""
    known = [name for name in registrations() if any(each.name == name for each in planned)]
    needs = {each.name: each.analysis.needs for each in planned}
    ordered: list[str] = []
    while len(ordered) < len(known):
        left = [name for name in known if name not in ordered]
        ready = next((name for name in left if needs[name] <= set(ordered)), None)
        if ready is None:
            raise OptionError(f"{', '.join(left)} need each other's numbers, so that none can be the first.")
        ordered.append(ready)
    return ordered
