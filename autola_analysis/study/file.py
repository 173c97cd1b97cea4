"""A study file: models, data and analyses in TOML, checked before anything is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from autola_analysis.analyses.options import AnalysisOptions, sentence_of, whole
from autola_analysis.analyses.registry import registration_of, registrations
from autola_analysis.core.bad_boxes import BadBoxes
from autola_analysis.core.bounds import LARGEST_SEED, LARGEST_SIDE
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.output_kind import OutputKind
from autola_analysis.core.reading import TextFault, read_text, toml_of

OneOrMore = Annotated[list[str], Field(min_length=1)]
Pixels = Annotated[Annotated[int, Field(ge=1, le=LARGEST_SIDE)] | Literal["none"], BeforeValidator(whole)]
"""A number of pixels, or no step of the kind."""
Runs = Literal["trainings", "searches", "draws"]
"""What the runs of a variant are."""
TRAININGS: Runs = "trainings"
SEARCHES: Runs = "searches"
DRAWS: Runs = "draws"
PLACE_KEYS = ("kind", "data", "models")
"""Keys of an analysis that say which, and on what; all others are its options."""


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
        class_order: As ``--class-order``, a relative path relative to the study file.
        skip_bad_images: Whether images that cannot be decoded are left out.
        images_root: As ``--images-root``, a relative path relative to the study file.
        bad_boxes: As ``--bad-boxes``.
        hash_contents: Whether the run record holds a hash of the images' contents, not only of names, sizes and times.
    """

    source: str | None = None
    split: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    class_order: str | None = None
    skip_bad_images: bool = False
    images_root: str | None = None
    bad_boxes: BadBoxes | None = None
    hash_contents: bool = False


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
        weights: As ``--weights``.
        normalize: As ``--normalize``.
        resize: As ``--resize``.
        crop: As ``--crop``.
        classes: As ``--classes``.
        output: As ``--output``.
        wirings: "mixed" where the files are HOGA modules of several wirings, one run each: the variant then stands for
            this population of wirings.
        runs: What the runs of a variant with HOGA are: "trainings"; "searches" where every run trains what a search of
            its own has found, so that verdicts speak of searching instead of these wirings; "draws" where the wirings
            were drawn at random, which files of ``hoga-random`` say by themselves.
        trust: As ``--trust-checkpoint``.
    """

    path: str | None = None
    paths: OneOrMore | None = None
    name: str | None = None
    group: str | None = None
    arch: str | None = None
    genotype: str | None = None
    attention: str | None = None
    weights: str | None = None
    normalize: str | None = None
    resize: Pixels | None = None
    crop: Pixels | None = None
    classes: str | None = None
    output: OutputKind | None = None
    wirings: Literal["mixed"] | None = None
    runs: Runs = TRAININGS
    trust: bool = False

    @model_validator(mode="after")
    def _one_way_to_name_files(self) -> ModelTable:
        if (self.path is None) == (self.paths is None):
            raise ValueError("give either path, or paths for several training runs")
        return self

    @model_validator(mode="after")
    def _searches_find_several_wirings(self) -> ModelTable:
        if self.runs == SEARCHES and self.wirings is None:
            raise ValueError('with runs = "searches" the runs have several wirings; say so with wirings = "mixed"')
        return self

    @property
    def files(self) -> list[str]:
        """The checkpoint files, in order of the runs."""
        return [self.path] if self.path is not None else list(self.paths or [])


class AnalysisRequest(_Table):
    """An analysis of a study.

    Attributes:
        kind: Name of the analysis.
        options: Its options.
        data: Key of a data table; None takes the only one.
        models: Keys of model tables; None takes all.
    """

    kind: str
    options: AnalysisOptions
    data: str | None = None
    models: OneOrMore | None = None

    @classmethod
    def of(cls, kind: str, **options: Any) -> AnalysisRequest:
        """Return an analysis of all models on the only data.

        Raises:
            UnknownNameError: If there is no such analysis.
            OptionError: If an option is not possible.
        """
        return cls(kind=kind, options=registration_of(kind).options_class()(**options))

    def values(self) -> dict[str, Any]:
        """Return what a file would hold, JSON-ready."""
        place = self.model_dump(mode="json", exclude={"options"}, exclude_none=True)
        return place | self.options.model_dump(mode="json", exclude_none=True)


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

    TABLES: ClassVar[Mapping[str, type[BaseModel]]] = {"data": DataTable, "models": ModelTable}

    title: str = "Study"
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    width: str | float = "neurips"
    candidate: str | None = None
    data: Annotated[dict[str, DataTable], Field(min_length=1)]
    models: Annotated[dict[str, ModelTable], Field(min_length=1)]
    analyses: Annotated[list[AnalysisRequest], Field(min_length=1)]

    @model_validator(mode="after")
    def _keys_exist_and_kinds_differ(self) -> StudyFile:
        kinds = [request.kind for request in self.analyses]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"two analyses of kind {kind!r}; a study has one of each, so write two study files")
        for request in self.analyses:
            if request.data is not None:
                _check_key(request.data, self.data, f"{request.kind}: data")
            for model in request.models or []:
                _check_key(model, self.models, f"{request.kind}: models")
        return self

    def values(self) -> dict[str, Any]:
        """Return what a file would hold, JSON-ready."""
        rest = self.model_dump(mode="json", exclude={"analyses"}, exclude_none=True)
        return rest | {"analyses": [request.values() for request in self.analyses]}


def _check_key(key: str, tables: Mapping[str, object], where: str) -> None:
    if key not in tables:
        raise ValueError(f"{where} names {key!r}, and there is no such table; there are {', '.join(tables)}")


def read_study(path: str | Path) -> StudyFile:
    """Read and check a study file.

    Raises:
        OptionError: If the file is missing, no TOML, or does not fit: the key, what was found, what is allowed.
    """
    path = expanded(path)
    try:
        values = toml_of(read_text(path))
    except OSError as error:
        raise OptionError(f"the study file {path} cannot be read: {error.strerror}.") from error
    except TextFault as error:
        raise OptionError(f"the study file {path} cannot be used: {error}.") from error
    return parse_study(values, str(path))


def parse_study(values: Mapping[str, Any], where: str = "the study") -> StudyFile:
    """Check the content of a study file.

    Args:
        values: As TOML gives them.
        where: Name of the file, for messages.

    Raises:
        OptionError: With the key path of the first fault, what was found and what is allowed.
    """
    analyses = values.get("analyses")
    try:
        requests = (
            [_request(number, table) for number, table in enumerate(analyses)]
            if isinstance(analyses, Sequence) and all(isinstance(table, Mapping) for table in analyses)
            else analyses
        )
        return StudyFile.model_validate({**values, **({} if analyses is None else {"analyses": requests})})
    except ValidationError as error:
        raise OptionError(f"{where}: {sentence_of(error, StudyFile)}") from error
    except _Fault as error:
        raise OptionError(f"{where}: {error}") from error


class _Fault(Exception):
    """A sentence about an analysis of a study file."""


def _request(number: int, table: Mapping[str, Any]) -> AnalysisRequest:
    place = f"analyses.{number}"
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in registrations():
        raise _Fault(f"{place}.kind is one of {', '.join(registrations())}; found {kind!r}.")
    options = registration_of(kind).options_class()
    values = {key: value for key, value in table.items() if key not in PLACE_KEYS}
    rest = {key: value for key, value in table.items() if key in PLACE_KEYS}
    try:
        return AnalysisRequest.model_validate({**rest, "options": options(**values)})
    except ValidationError as error:
        raise _Fault(sentence_of(error, AnalysisRequest, f"{place}.")) from error
    except OptionError as error:
        fault = error.__cause__
        text = sentence_of(fault, options, f"{place}.") if isinstance(fault, ValidationError) else f"{place}: {error}"
        raise _Fault(text) from error
