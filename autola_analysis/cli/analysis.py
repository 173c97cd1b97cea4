"""The command of an analysis, made from its options: a study of one analysis."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import ValidationError

from autola_analysis.analyses.options import extra_of, flag_of, sentence_of
from autola_analysis.analyses.registration import Registration
from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.options import (
    ArchitectureFlags,
    CheckpointFlags,
    ImageFlags,
    MachineFlags,
    Open,
    OutputFlags,
    command_of,
)
from autola_analysis.cli.summary import run_and_show
from autola_analysis.core.errors import OptionError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from autola_analysis.analyses.options import AnalysisOptions

SPELLINGS = {"--layer": ("--layers",), "--layers": ("--layer",)}
"""Further spellings of a flag: nobody remembers which analysis looks at one layer by default"""


def listed(help: str) -> Callable[[], None]:
    """Return a command that ``--help`` lists and nobody calls: the real one is made when it is asked for."""

    def command() -> None:
        raise NotImplementedError

    command.__doc__ = help
    return command


def analysis_command(registration: Registration) -> Callable[..., None]:
    """Return the command of an analysis: the flags that all commands share, and a flag per option."""
    kind = registration.options_class()

    def command(
        checkpoints: CheckpointFlags,
        images: ImageFlags,
        architecture: ArchitectureFlags,
        machine: MachineFlags,
        output: OutputFlags,
        show: Open = False,
        candidate: Candidate = None,
        **values: Any,
    ) -> None:
        from autola_analysis.study.file import AnalysisRequest

        options = given_options(kind, values)
        study = command_of(
            registration.help.partition(" (")[0].partition(",")[0].rstrip("."),
            [AnalysisRequest(kind=registration.name, options=options, data="images" if images.data else None)],
            checkpoints,
            images,
            architecture,
            output,
            candidate=candidate,
        )
        out = output.directory(registration.command_name)
        run_and_show(study, out, machine, overwrite=output.overwrite, anonymous=output.anonymous, show=show)

    command.__doc__ = (
        f"{registration.help}\n\nExample: autola-analyze {registration.command_name} {registration.example}"
    )
    return grouped_options(command, option_flags(kind))


PREFIX = "option_"
"""Of the parameters that stand for options of an analysis, which may be called like those of every command."""
Candidate = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Variant that is compared with every other. Default: the one with HOGA."),
]


def option_flags(kind: type[AnalysisOptions], in_compare: bool = False) -> list[inspect.Parameter]:
    """Return a command parameter per option of an analysis.

    Args:
        kind: Options of the analysis.
        in_compare: Whether only those are returned that ``compare`` offers too.
    """
    parameters = []
    for name, field in kind.model_fields.items():
        extra = extra_of(field)
        if extra["flag"] == "-" or (in_compare and not extra["in_compare"]):
            continue
        parameters.append(
            inspect.Parameter(
                PREFIX + name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if _is_flag(field) else None,
                annotation=_annotation(name, field, extra),
            )
        )
    return parameters


def given_options(kind: type[AnalysisOptions], values: Mapping[str, Any]) -> AnalysisOptions:
    """Return options with the values of the flags that were given.

    Args:
        kind: Options of the analysis.
        values: By name of the parameter; None and False where a flag was not given.

    Raises:
        OptionError: If a value is not possible.
    """
    given: dict[str, Any] = {}
    for parameter, value in values.items():
        name = parameter.removeprefix(PREFIX)
        if name in kind.model_fields and value is not None and value is not False and value != []:
            given[name] = not extra_of(kind.model_fields[name])["negated"] if value is True else value
    try:
        return kind(**given)
    except OptionError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        flags = {name: flag_of(name, field) for name, field in kind.model_fields.items()}
        raise OptionError(sentence_of(error.__cause__, kind, names=flags)) from error


def _annotation(name: str, field: FieldInfo, extra: Mapping[str, Any]) -> Any:
    flag = flag_of(name, field)
    text = field.description or ""
    if _is_flag(field):
        return Annotated[bool, typer.Option(flag, help=text)]
    plain, metavar = _kind(field.annotation)
    read_as: Any = list[plain] if extra["repeated"] else plain  # type: ignore[valid-type]
    if field.default is not None and "efault" not in text:
        shown = ",".join(map(str, field.default)) if isinstance(field.default, list) else field.default
        text = f"{text.rstrip('.')}. Default: {shown}."
    text += _bounds(field)
    option = typer.Option(
        flag, *SPELLINGS.get(flag, ()), metavar=extra["metavar"] or metavar or None, help=text, show_default=False
    )
    return Annotated[read_as, option]


def _bounds(field: FieldInfo) -> str:
    """Return the bounds of a number as a sentence; nothing where it has none above."""
    found = {
        name: getattr(bound, name) for bound in field.metadata for name in ("ge", "gt", "le") if hasattr(bound, name)
    }
    if "le" not in found:
        return ""
    low = found.get("ge", found.get("gt", 0))
    return f" From {low} to {found['le']}."


def _kind(annotation: Any) -> tuple[Any, str]:
    """Return the type that a flag's text is read as, and what ``--help`` shows for it."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return str | None, "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) is list:
        return str, "A,B"
    members = [member for member in get_args(annotation) if member is not type(None)]
    if _is_union(annotation) and len(members) == 1:
        return _kind(members[0])
    for plain, metavar in ((float, "X"), (int, "N"), (Path, "PATH")):
        if annotation is plain:
            return plain | None, metavar
    return str | None, "TEXT"


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) is Union or type(annotation).__name__ == "UnionType"


def _is_flag(field: FieldInfo) -> bool:
    return field.annotation is bool
