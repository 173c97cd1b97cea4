"""From a study file to what will be run: models loaded, images opened, everything checked."""

from __future__ import annotations

from collections.abc import Sequence
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
from autola_analysis.study.file import AnalysisRequest, StudyFile
from autola_analysis.study.models import StudyModel, load_models
from autola_analysis.study.sources import StudyData, holds_objects, open_data, readable

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
    models = load_models(tables, base, *_detectors(file))
    names = list(dict.fromkeys(model.variant.name for model in models))
    if file.candidate is not None and file.candidate not in names:
        raise UnknownNameError(f"the candidate {file.candidate!r} is none of the models; there are {', '.join(names)}.")
    plan = Plan(file, models, [], {})
    planned = [_planned(request, plan, base, quiet) for request in file.analyses]
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


def _planned(request: AnalysisRequest, plan: Plan, base: Path, quiet: bool) -> PlannedAnalysis:
    analysis = analysis_of(request.kind)
    models = [model for model in plan.models if request.models is None or model.key in request.models]
    options = request.options.relative_to(base)
    if "seed" not in options.model_fields_set:
        options = options.model_copy(update={"seed": plan.file.seed})
    finds_objects = any(model.variant.finds_objects for model in models)
    source, data = analysis.own_images(options, finds_objects), None
    if source is not None and request.data is not None:
        raise OptionError(f"{request.kind} names images of its own and data; give one of them.")
    if source is None:
        data = _data_of(request, plan, models, base, quiet)
        source = data.source
    sample = source if options.limit == "all" else limit(source, options.limit, options.seed)
    check_same_images(sample)
    left_out: tuple[str, ...] = ()
    if data is None and any(table.skip_bad_images for table in plan.file.data.values()):
        sample, left_out = readable(sample, quiet)
    planned = PlannedAnalysis(analysis, options, models, data, sample, left_out)
    try:
        check_task(request.kind, analysis.tasks, planned.subject.variants, sample)
        analysis.check(options, planned.subject)
    except (LayerError, UnknownNameError, OptionError) as error:
        raise type(error)(f"{request.kind}: {error}") from error
    return planned


def _data_of(request: AnalysisRequest, plan: Plan, models: Sequence[StudyModel], base: Path, quiet: bool) -> StudyData:
    tables = plan.file.data
    if request.data is None and len(tables) > 1:
        raise OptionError(f"{request.kind} does not say which data; give data = one of {', '.join(tables)}.")
    key = request.data or next(iter(tables))
    if key not in plan.data:
        plan.data[key] = open_data(key, tables[key], models, base, plan.file.seed, quiet)
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
