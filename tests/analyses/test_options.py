"""Options of analyses: every fault is one sentence, and flag, key and keyword reach the same field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from autola_analysis.analyses.alone import given
from autola_analysis.analyses.options import AnalysisOptions, FilePath, FilePaths, Names, option
from autola_analysis.analyses.registry import registration_of, registrations
from autola_analysis.cli.analysis import given_options, option_flags
from autola_analysis.cli.grouping import grouped_options
from autola_analysis.core.errors import OptionError
from autola_analysis.study.file import parse_study


class Every(AnalysisOptions):
    """A field of every kind."""

    count: int = option(3, "A number.", ge=0, le=9)
    share: float = option(0.5, "A share.", ge=0)
    way: Literal["fast", "exact"] = option("fast", "How.")
    names: Names | None = option(None, "Names.")
    images: FilePaths | None = option(None, "Images.", repeated=True)
    boxes: FilePath | None = option(None, "Boxes.")
    plain: bool = option(False, "Whether.")
    shown: bool = option(True, "Whether not.", flag="--hidden", negated=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cuont": 1}, "unknown key cuont; did you mean count?"),
        ({"zzz": 1}, "unknown key zzz; known are limit, seed, count, share, way"),
        ({"count": -1}, "count is a number from 0 on; found -1."),
        ({"count": 10}, "count is a number up to 9; found 10."),
        ({"count": "x"}, "count should be a valid integer; found 'x'."),
        ({"count": 1.5}, "count should be a valid integer; found '1.5'."),
        ({"count": True}, "count should be a valid integer; found 'True'."),
        ({"share": -0.5}, "share is a number from 0 on; found -0.5."),
        ({"share": "much"}, "share should be a valid number; found 'much'."),
        ({"way": "slow"}, "way is one of fast, exact; found 'slow'."),
        ({"way": 3}, "way is one of fast, exact; found 3."),
        ({"names": 3}, "names should be a valid list; found '3'."),
        ({"names": ["a", 3]}, "names.1 should be a valid string; found '3'."),
        ({"boxes": 3}, "boxes should be an instance of Path; found '3'."),
        ({"plain": "yes"}, "plain should be a valid boolean; found 'yes'."),
        ({"limit": 0}, "limit is a number from 1 on, or all; found 0."),
        ({"limit": "0"}, "limit is a number from 1 on, or all; found 0."),
        ({"limit": "few"}, "limit should be a valid integer, or all; found 'few'."),
        ({"limit": 1.5}, "limit should be a valid integer, or all; found '1.5'."),
        ({"limit": None}, "limit should be a valid integer, or all; found 'None'."),
        ({"seed": -1}, "seed is a number from 0 on; found -1."),
    ],
)
def test_every_fault_is_one_sentence_with_the_name_the_value_and_what_is_allowed(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError) as raised:
        Every(**values)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_an_unknown_key_is_said_before_anything_else() -> None:
    with pytest.raises(OptionError, match="unknown key cuont"):
        Every(count=-1, cuont=1)


def test_values_are_read_as_they_are_written() -> None:
    assert Every(names="a, b,,c").names == ["a", "b", "c"]
    assert Every(names=("a", "b")).names == ["a", "b"]
    assert Every(boxes="x/y").boxes == Path("x/y")
    assert Every(images="a.jpg,b.jpg").images == [Path("a.jpg"), Path("b.jpg")]
    assert Every(images=[Path("a.jpg"), "b.jpg"]).images == [Path("a.jpg"), Path("b.jpg")]
    assert Every(limit="30").limit == Every(limit=30).limit == 30
    assert Every(limit="all").limit == Every().limit == "all"
    assert Every(share=1).share == 1.0


def test_options_of_a_record_are_read_as_they_were() -> None:
    options = Every(images=["a.jpg"], boxes="b", names=["x"], limit=3, way="exact", shown=False)
    assert Every(**options.model_dump(mode="json")) == options


def test_relative_paths_are_taken_from_a_directory() -> None:
    found = Every(images=["a.jpg", "/b.jpg", "~/c.jpg"], boxes="d").relative_to(Path("/base"))
    assert found.images == [Path("/base/a.jpg"), Path("/b.jpg"), Path.home() / "c.jpg"]
    assert found.boxes == Path("/base/d")
    assert found.model_fields_set >= {"images", "boxes"}
    assert "seed" not in found.model_fields_set


def test_options_are_given_whole_or_field_by_field() -> None:
    options = Every(count=4)
    assert given(Every, options, {}) is options
    assert given(Every, None, {"count": 4}) == options
    with pytest.raises(OptionError, match="give options, or count, share by themselves, not both"):
        given(Every, options, {"count": 4, "share": 1.0})


FIELDS = [(each.name, name) for each in registrations().values() for name in each.options_class().model_fields]


def other_value(field: FieldInfo, annotation: Any) -> Any:
    """Return a value of a field that is not its default."""
    if get_origin(annotation) is Annotated:
        return other_value(field, get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return next(choice for choice in get_args(annotation) if choice != field.default)
    if get_origin(annotation) is list:
        return [other_value(field, get_args(annotation)[0])]
    if annotation is bool:
        return not field.default
    if annotation in (int, float):
        bounds = {
            bound: getattr(each, bound) for each in field.metadata for bound in ("ge", "le") if hasattr(each, bound)
        }
        for value in (*bounds.values(), 2, 3):
            if value != field.default and bounds.get("ge", value) <= value <= bounds.get("le", value):
                return annotation(value)
    if annotation is Path:
        return Path("/some/where")
    if annotation is str:
        return "layer1"
    return other_value(field, next(each for each in get_args(annotation) if each is not type(None)))


def as_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class Nothing:
    """A group of flags, behind which those of the options come."""

    verbose: bool = False


def on_the_command_line(kind: type[AnalysisOptions], arguments: list[str]) -> AnalysisOptions:
    """Return the options that a command gets from its flags."""
    seen: list[AnalysisOptions] = []

    def command(_: Nothing, **values: Any) -> None:
        seen.append(given_options(kind, values))

    app = typer.Typer()
    app.command()(grouped_options(command, option_flags(kind)))
    app(arguments, standalone_mode=False)
    return seen[0]


@pytest.mark.parametrize(("analysis", "name"), FIELDS)
def test_flag_key_and_keyword_reach_the_same_field(analysis: str, name: str) -> None:
    kind = registration_of(analysis).options_class()
    field = kind.model_fields[name]
    value = other_value(field, field.annotation)
    expected = kind(**{name: value})
    assert getattr(expected, name) == value != field.default
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    key = value if isinstance(value, bool | int | float | str) or name == "shown" else as_text(value)
    if extra["repeated"]:
        assert isinstance(value, list)
        key = [str(each) for each in value]
    study = {
        "data": {"d": {"source": "cluttered-digits"}},
        "models": {"a": {"path": "a.pth"}},
        "analyses": [{"kind": analysis, name: key}],
    }
    assert parse_study(study).analyses[0].options == expected
    flag = extra["flag"] or f"--{name.replace('_', '-')}"
    if flag == "-":
        assert name in ("seed", "shown")  # the seed of the command is the study's; no flag takes a list of numbers
        return
    assert (
        on_the_command_line(kind, [str(flag)] if isinstance(value, bool) else [str(flag), as_text(value)]) == expected
    )
    assert on_the_command_line(kind, []) == kind()


@pytest.mark.parametrize("analysis", registrations())
def test_every_option_has_a_help_text_and_a_flag_of_its_own(analysis: str) -> None:
    kind = registration_of(analysis).options_class()
    assert issubclass(kind, BaseModel)
    assert kind.__doc__
    flags = [flag.name for flag in option_flags(kind)]
    assert len(set(flags)) == len(flags)
    for field in kind.model_fields.values():
        assert field.description
        assert field.description.endswith((".", "layer1, layer2, ..."))


def test_flags_of_every_kind_reach_their_fields() -> None:
    def found(arguments: list[str]) -> AnalysisOptions:
        return on_the_command_line(Every, arguments)

    assert found([]) == Every()
    assert found(["--count", "0"]) == Every(count=0)
    assert found(["--share", "0"]) == Every(share=0.0)
    assert found(["--plain", "--hidden"]) == Every(plain=True, shown=False)
    assert found(["--images", "a.jpg", "--images", "b,c.jpg"]).images == [Path("a.jpg"), Path("b,c.jpg")]
    assert found(["--names", "a,b", "--way", "exact"]) == Every(names=["a", "b"], way="exact")
