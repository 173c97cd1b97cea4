"""From a study file to what will be run: models loaded, images opened, everything checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autola_analysis.analyses.saliency.explain import resolve_methods
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import LayerError, OptionError, UnknownNameError
from autola_analysis.data.source import ImageSource
from autola_analysis.figures.style import figure_width
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.study.file import (
    DataTable,
    EmbeddingTable,
    GatesTable,
    ModelTable,
    SaliencyTable,
    SelectivityTable,
    StudyFile,
)
from autola_analysis.study.models import NamedCheckpoint, StudyModel, load_named
from autola_analysis.study.sources import DataOptions, source_for, title_of

Table = SelectivityTable | EmbeddingTable | SaliencyTable | GatesTable
TableT = TypeVar("TableT", bound=Table)


@dataclass(frozen=True)
class PlannedModel:
    """A checkpoint of a study.

    Attributes:
        key: Of its table in the study file.
        group: Models of a group are compared with each other.
        model: The loaded checkpoint.
    """

    key: str
    group: str
    model: StudyModel

    @property
    def variant(self) -> Variant:
        """What the analyses take."""
        return self.model.variant


@dataclass(frozen=True)
class PlannedData:
    """The images of one data table.

    Attributes:
        key: Of its table in the study file.
        source: The images.
        left_out: Paths of images that cannot be decoded.
    """

    key: str
    source: ImageSource
    left_out: tuple[str, ...]

    @property
    def title(self) -> str:
        """How captions call the images."""
        return title_of(self.source)


@dataclass(frozen=True)
class Plan:
    """What a study will run.

    Attributes:
        file: The study file.
        base: Directory that its relative paths are relative to.
        models: In the order they are shown.
        data: By key; only those that an analysis reads.
    """

    file: StudyFile
    base: Path
    models: Sequence[PlannedModel]
    data: dict[str, PlannedData]

    def table(self, kind: type[TableT]) -> TableT | None:
        """Return the analysis of a kind; None where the study has none."""
        return next((table for table in self.file.analyses if isinstance(table, kind)), None)

    def models_of(self, table: Table) -> list[PlannedModel]:
        """Return the models of an analysis, in order."""
        return [model for model in self.models if table.models is None or model.key in table.models]

    def data_of(self, table: Table) -> PlannedData:
        """Return the images of an analysis."""
        return self.data[table.data or next(iter(self.file.data))]

    @property
    def groups(self) -> dict[str, list[PlannedModel]]:
        """The models by group, in order."""
        found: dict[str, list[PlannedModel]] = {}
        for model in self.models:
            found.setdefault(model.group, []).append(model)
        return found


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
    used = {key for table in file.analyses for key in table.models or file.models}
    tables = {key: table for key, table in file.models.items() if key in used}
    models = _load(tables, base)
    names = list(dict.fromkeys(each.variant.name for each in models))
    if file.candidate is not None and file.candidate not in names:
        raise UnknownNameError(f"the candidate {file.candidate!r} is none of the models; there are {', '.join(names)}.")
    plan = Plan(file, base, models, {})
    for table in file.analyses:
        if isinstance(table, SaliencyTable):
            resolve_methods(table.methods)
        _check_layers(plan, table)
        if isinstance(table, SaliencyTable) and table.images is not None:
            continue
        key = table.data or next(iter(file.data))
        if key not in plan.data:
            plan.data[key] = _open(key, file.data[key], [each.model for each in plan.models_of(table)], plan, quiet)
    return plan


def _restricted(file: StudyFile, only: Sequence[str] | None) -> StudyFile:
    if only is None:
        return file
    kinds = [table.kind for table in file.analyses]
    for kind in only:
        if kind not in kinds:
            raise OptionError(f"--only names {kind!r}, which the study does not have; it has {', '.join(kinds)}.")
    return file.model_copy(update={"analyses": [table for table in file.analyses if table.kind in only]})


def _load(tables: dict[str, ModelTable], base: Path) -> list[PlannedModel]:
    checkpoints, keys = [], []
    for key, table in tables.items():
        for path in table.files:
            checkpoints.append(
                NamedCheckpoint(
                    name=table.name or key,
                    path=base / Path(path).expanduser(),
                    arch=table.arch,
                    genotype=None if table.genotype is None else str(base / Path(table.genotype).expanduser()),
                    attention=table.attention,
                    normalize=table.normalize,
                    trust=table.trust,
                )
            )
            keys.append(key)
    names: dict[str, str] = {}
    for key, table in tables.items():
        other = names.setdefault(table.name or key, key)
        if other != key:
            raise OptionError(
                f"models.{other} and models.{key} are both called {table.name or key!r}; name them apart, or give "
                "the runs of one model as paths = [...]."
            )
    loaded = load_named(checkpoints)
    return [
        PlannedModel(key, tables[key].group or _backbone(model), model) for key, model in zip(keys, loaded, strict=True)
    ]


def _backbone(model: StudyModel) -> str:
    return model.loaded.spec.backbone if model.loaded.spec else ""


def _check_layers(plan: Plan, table: Table) -> None:
    layers = getattr(table, "layers", None) or ([table.layer] if isinstance(table, EmbeddingTable) else None)
    layers = None if layers == [None] else layers
    if isinstance(table, GatesTable):
        return
    for each in plan.models_of(table):
        try:
            resolve_layers(each.variant.model, layers)
        except (LayerError, UnknownNameError) as error:
            raise type(error)(f"{table.kind}: {each.variant.title}: {error}") from error


def _open(key: str, table: DataTable, models: Sequence[StudyModel], plan: Plan, quiet: bool) -> PlannedData:
    kind, colon, root = (table.source or "").partition(":")
    source = f"{kind}:{plan.base / Path(root).expanduser()}" if colon and root else table.source
    options = DataOptions(
        source, table.split, table.limit, plan.file.seed, skip_bad_images=table.skip_bad_images, quiet=quiet
    )
    opened, left_out = source_for(models, options)
    return PlannedData(key, opened, left_out)
