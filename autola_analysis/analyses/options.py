"""Options of analyses: each default, choice, bound and help text is stated once.

The study file, the flags of the command and the Python signature all read these models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from autola_analysis.core.bounds import LARGEST_SEED
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded

Everything = Literal["all"]


def option(
    default: Any,
    help: str,
    *,
    flag: str = "",
    metavar: str = "",
    negated: bool = False,
    repeated: bool = False,
    in_compare: bool = False,
    **bounds: Any,
) -> Any:
    """Return a field of an options model.

    Args:
        default: Its value where the user gives none.
        help: What it does, one sentence.
        flag: Of the command ("--method"); ``--name-of-the-field`` where it is empty, "-" for no flag.
        metavar: What ``--help`` shows for the value; made of the type where it is empty.
        negated: Whether the flag, which takes no value, sets the field to False.
        repeated: Whether the flag is given once per value rather than once with commas.
        in_compare: Whether ``compare`` offers the flag too.
        bounds: Bounds as pydantic takes them (``ge=0``).
    """
    extra: dict[str, JsonValue] = {
        "flag": flag,
        "metavar": metavar,
        "negated": negated,
        "repeated": repeated,
        "in_compare": in_compare,
    }
    return Field(default, description=help, json_schema_extra=extra, validate_default=False, **bounds)


def extra_of(field: FieldInfo) -> Mapping[str, Any]:
    """Return what `option` keeps of a field beside its default, help and bounds."""
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return extra


def flag_of(name: str, field: FieldInfo) -> str:
    """Return the flag of the command that sets a field, with its dashes."""
    return str(extra_of(field)["flag"]) or f"--{name.replace('_', '-')}"


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, Sequence) else value


def _path(value: Any) -> Any:
    return Path(value) if isinstance(value, str) else value


WHOLE = re.compile("[0-9]{1,18}")
"""A number of 64 bits; other text stays text, and is refused as such."""


def whole(value: Any) -> Any:
    """Return text that is a whole number as a number, everything else as it is."""
    return int(value) if isinstance(value, str) and WHOLE.fullmatch(value.strip()) else value


Names = Annotated[list[str], BeforeValidator(_names)]
"""One or more names; text is split at its commas."""
FilePath = Annotated[Path, BeforeValidator(_path)]
"""A file or folder; relative paths in a study file are relative to it."""
FilePaths = Annotated[list[FilePath], BeforeValidator(_names)]
"""One or more files or folders."""
Limit = Annotated[Annotated[int, Field(ge=1)] | Everything, BeforeValidator(whole)]
"""A number of images, or all of them."""
Pool = Literal["mean", "flatten"]
"""What becomes of a layer's maps where features are looked at, see `pooling`."""


def limit_option(default: int | Everything) -> Any:
    """Return the option of how many images an analysis looks at."""
    return option(
        default,
        "Images that the analysis looks at, drawn at random with each class in proportion; 'all' takes all.",
        metavar="N|all",
    )


def pool_option() -> Any:
    """Return the option of what becomes of a layer's maps."""
    return option("mean", "What becomes of a layer's maps: their mean over space, or all of their values.")


class AnalysisOptions(BaseModel):
    """What every analysis can be asked: how many images it looks at, and the seed of what it draws.

    Raises:
        OptionError: If a value is not possible.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    limit: Limit = limit_option("all")
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = option(
        0, "Seed of everything that is drawn at random.", flag="-"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise OptionError(sentence_of(error, type(self))) from error

    @property
    def names_images(self) -> bool:
        """Whether they name images to look at instead of a data source."""
        return False

    def given(self, names: Sequence[str]) -> list[str]:
        """Return which of some options have another value than their default."""
        return [name for name in names if getattr(self, name) != type(self).model_fields[name].default]

    def flags_given(self, names: Sequence[str]) -> list[str]:
        """Return the flags of those of some options that have another value than their default."""
        return [flag_of(name, type(self).model_fields[name]) for name in self.given(names)]

    def relative_to(self, base: Path) -> Self:
        """Return the options with relative paths taken from a directory, and ``~`` as the home directory."""
        changes: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Path):
                changes[name] = base / expanded(value)
            elif isinstance(value, list) and any(isinstance(item, Path) for item in value):
                changes[name] = [base / expanded(item) for item in value]
        return self.model_copy(update=changes)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every file or folder that the analysis will read, with the name of its option."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Path):
                yield name, value
            elif isinstance(value, list):
                yield from ((f"{name} {i}", item) for i, item in enumerate(value, 1) if isinstance(item, Path))


def sentence_of(
    error: ValidationError, model: type[BaseModel], prefix: str = "", names: Mapping[str, str] | None = None
) -> str:
    """Say the first fault of some values in one sentence; unknown keys come first, since they make others missing.

    Args:
        error: What pydantic raised.
        model: What the values are for.
        prefix: Place of the values in a file ("analyses.0."), for the name of the key.
        names: What the user calls a key, by its name: the flag of a command.
    """
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    place = prefix + ".".join((names or {}).get(str(step), str(step)) for step in _steps(fault["loc"]))
    found = fault.get("input")
    if fault["type"] == "extra_forbidden":
        return f"unknown key {place}; {_meant(fault['loc'], model)}"
    if fault["type"] == "missing":
        return f"{place} is missing."
    context = fault.get("ctx", {})
    if fault["type"] == "literal_error":
        return f"{place} is one of {_choices(fault)}; found {found!r}."
    words = [_choices(each) for each in faults if each["type"] == "literal_error" and _same_place(each, fault)]
    alternative = f", or {words[0]}" if words else ""
    if "ge" in context:
        return f"{place} is a number from {context['ge']:g} on{alternative}; found {found!r}."
    if "le" in context:
        return f"{place} is a number up to {context['le']:g}{alternative}; found {found!r}."
    reason = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if fault["type"] == "value_error":
        return f"{place}: {reason}." if place else f"{reason}."
    return f"{place or 'the file'} {reason[0].lower()}{reason[1:]}{alternative}; found {str(found)[:60]!r}."


def _choices(fault: ErrorDetails) -> str:
    return str(fault["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")


def _same_place(one: ErrorDetails, other: ErrorDetails) -> bool:
    return _steps(one["loc"]) == _steps(other["loc"])


def _steps(location: tuple[int | str, ...]) -> list[int | str]:
    """Return the keys of a place, without what pydantic calls the members of a union."""
    unions = ("function-before", "constrained-int", "literal", "list[", "int", "str", "float")
    return [step for step in location if not (isinstance(step, str) and step.startswith(unions))]


def _meant(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return the nearest known key of the table that an unknown key stands in, as the end of a sentence."""
    known = list(_table_at(location[:-1], model).model_fields)
    close = get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."


def _table_at(location: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    tables = getattr(model, "TABLES", {})
    for step in location:
        if step in tables:
            return _table_at((), tables[step])
    return model
