"""A study file: models, data and analyses in TOML, checked before anything is run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autola_analysis.core.errors import OptionError

OneOrMore = Annotated[list[str], Field(min_length=1)]


class _Table(BaseModel):
    """A table of the file: no unknown keys, no silent conversions, unchangeable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataTable(_Table):
    """Images.

    Attributes:
        source: As ``--data`` takes it, a relative path relative to the study file; None takes what the checkpoints
            suggest.
        split: Part of the data; None takes validation or test.
        limit: Number of images, drawn by class.
        skip_bad_images: Whether images that cannot be decoded are left out.
    """

    source: str | None = None
    split: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    skip_bad_images: bool = False


class ModelTable(_Table):
    """One variant: a checkpoint, or several training runs of it.

    Attributes:
        path: Checkpoint file, relative to the study file.
        paths: Files of several training runs, instead of `path`.
        name: What it is called; None takes the key of the table.
        group: Models of a group are compared with each other; None takes the backbone that the file shows.
        arch: As ``--arch``.
        genotype: As ``--genotype``.
        attention: As ``--attention``.
        normalize: As ``--normalize``.
        trust: As ``--trust-checkpoint``.
    """

    path: str | None = None
    paths: OneOrMore | None = None
    name: str | None = None
    group: str | None = None
    arch: str | None = None
    genotype: str | None = None
    attention: str | None = None
    normalize: str | None = None
    trust: bool = False

    @model_validator(mode="after")
    def _one_way_to_name_files(self) -> ModelTable:
        if (self.path is None) == (self.paths is None):
            raise ValueError("give either path, or paths for several training runs")
        return self

    @property
    def files(self) -> list[str]:
        """The checkpoint files, in order of the runs."""
        return [self.path] if self.path is not None else list(self.paths or [])


class _AnalysisTable(_Table):
    """What every analysis has.

    Attributes:
        data: Key of a data table; None takes the only one.
        models: Keys of model tables; None takes all.
    """

    data: str | None = None
    models: OneOrMore | None = None


class SelectivityTable(_AnalysisTable):
    """Figure 1, see `SelectivityOptions`."""

    kind: Literal["selectivity"]
    layers: OneOrMore | None = None
    permutations: Annotated[int, Field(ge=0)] = 5
    folds: Annotated[int, Field(ge=0)] = 10
    rectify: bool = False
    top_images: Annotated[int, Field(ge=0, le=20)] = 6


class EmbeddingTable(_AnalysisTable):
    """Figure 2, see `EmbeddingOptions`; pictures are drawn of the first run of each model."""

    kind: Literal["embedding"]
    layer: str | None = None
    pool: Literal["mean", "flatten"] = "mean"
    limit: Annotated[int, Field(ge=10)] | None = 2000
    method: Literal["barnes-hut", "fft", "pca"] = "barnes-hut"
    perplexity: Annotated[float, Field(ge=1)] = 30.0
    metric: Literal["euclidean", "cosine"] = "euclidean"
    seeds: Annotated[int, Field(ge=1)] = 1
    align: bool = False


class SaliencyTable(_AnalysisTable):
    """Figure 3, see `SaliencyOptions`.

    Attributes:
        images: Image files or folders instead of data.
        methods: Names of methods; those of the pictures.
        layers: Layers; None takes the last stage.
        target: "label", "predicted" or a class.
        limit: Images that the maps are measured on.
        show: Images in the figure.
        scale: What maps are divided by.
        boxes: File or folder with the objects' boxes.
        faithfulness: Whether to measure insertion and deletion.
        sanity: Images for the sanity check.
        guide_gates: Whether ReLUs inside gates are guided.
    """

    kind: Literal["saliency"]
    images: OneOrMore | None = None
    methods: OneOrMore = ["grad-cam", "guided-backprop"]
    layers: OneOrMore | None = None
    target: str | int | None = None
    limit: Annotated[int, Field(ge=1)] | None = 500
    show: Annotated[int, Field(ge=1)] = 6
    scale: Literal["own", "shared"] = "own"
    boxes: str | None = None
    faithfulness: bool = False
    sanity: Annotated[int, Field(ge=0)] = 0
    guide_gates: bool = True


class GatesTable(_AnalysisTable):
    """What attention gates do."""

    kind: Literal["gates"]


AnalysisTable = Annotated[SelectivityTable | EmbeddingTable | SaliencyTable | GatesTable, Field(discriminator="kind")]


class StudyFile(_Table):
    """A whole study.

    Attributes:
        title: Heading of the page.
        seed: Of everything that is drawn.
        width: Of the figures.
        candidate: Name of the variant that the claims are about; None takes the one with HOGA.
        data: Data tables by key.
        models: Model tables by key, in the order they are shown.
        analyses: At most one of each kind.
    """

    title: str = "Study"
    seed: Annotated[int, Field(ge=0)] = 0
    width: str | float = "neurips"
    candidate: str | None = None
    data: Annotated[dict[str, DataTable], Field(min_length=1)]
    models: Annotated[dict[str, ModelTable], Field(min_length=1)]
    analyses: Annotated[list[AnalysisTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _keys_exist_and_kinds_differ(self) -> StudyFile:
        kinds = [analysis.kind for analysis in self.analyses]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"two analyses of kind {kind!r}; a study has one of each, so write two study files")
        for analysis in self.analyses:
            images_given = isinstance(analysis, SaliencyTable) and analysis.images is not None
            if analysis.data is None and len(self.data) > 1 and not images_given:
                raise ValueError(f"{analysis.kind} does not say which data; give data = one of {', '.join(self.data)}")
            if analysis.data is not None:
                _check_key(analysis.data, self.data, f"{analysis.kind}: data")
            for model in analysis.models or []:
                _check_key(model, self.models, f"{analysis.kind}: models")
        return self


def _check_key(key: str, tables: Mapping[str, object], where: str) -> None:
    if key not in tables:
        raise ValueError(f"{where} names {key!r}, and there is no such table; there are {', '.join(tables)}")


def read_study(path: str | Path) -> StudyFile:
    """Read and check a study file.

    Raises:
        OptionError: If the file is missing, no TOML, or does not fit: the key, what was found, what is allowed.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"the study file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is no TOML file: {' '.join(str(error).split())}.") from error
    return parse_study(values, str(path))


def parse_study(values: Mapping[str, Any], where: str = "the study") -> StudyFile:
    """Check the content of a study file.

    Args:
        values: As TOML gives them.
        where: Name of the file, for messages.

    Raises:
        OptionError: With the key path of the first fault, what was found and what is allowed.
    """
    try:
        return StudyFile.model_validate(dict(values))
    except ValidationError as error:
        raise OptionError(f"{where}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    """Say the first fault in one sentence; unknown keys first, since they are what makes others missing."""
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    steps = [step for step in fault["loc"] if step not in KINDS]
    place = ".".join(str(step) for step in steps) or "the file"
    found = fault.get("input")
    if fault["type"] == "extra_forbidden":
        return f"unknown key {place}; {_meant(fault['loc'])}"
    if fault["type"] == "missing":
        return f"{place} is missing."
    if fault["type"].startswith("union_tag"):
        kind = found.get("kind") if isinstance(found, dict) else None
        return f"{place}.kind is one of {', '.join(KINDS)}; found {kind!r}."
    reason = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if fault["type"] == "value_error":
        return f"{place}: {reason}." if steps else f"{reason}."
    return f"{place} {reason[0].lower()}{reason[1:]}; found {str(found)[:60]!r}."


TABLES: dict[str, type[_Table]] = {"data": DataTable, "models": ModelTable}
KINDS: dict[str, type[_Table]] = {
    "selectivity": SelectivityTable,
    "embedding": EmbeddingTable,
    "saliency": SaliencyTable,
    "gates": GatesTable,
}


def _meant(location: tuple[str | int, ...]) -> str:
    """Return the nearest known key of the table that an unknown key stands in, as the end of a sentence."""
    table: type[_Table] = StudyFile
    for step in location[:-1]:
        table = KINDS.get(str(step), TABLES.get(str(step), table))
    known = list(table.model_fields)
    close = get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
