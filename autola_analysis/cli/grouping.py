"""Groups of options: a dataclass of flags as one parameter of a command.

Typer reads a command's options from its signature, so that commands with twenty flags in common would repeat twenty
parameters. Here a parameter annotated with a dataclass stands for all its fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def grouped_options(command: Callable[..., None], further: Sequence[inspect.Parameter] = ()) -> Callable[..., None]:
    """Return a command whose dataclass parameters are spread over the options that their fields describe.

    Args:
        command: The command.
        further: Parameters that the command takes as keywords without naming them; they follow the first group.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _fields_as_parameters(groups[name])
            if name == next(iter(groups)):
                parameters += further
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def spread(**values: Any) -> None:
        grouped = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **grouped)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del spread.__wrapped__  # else the hints of the original are read
    return spread


def _fields_as_parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    parameters = []
    for field in fields(group):
        default = field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if default is MISSING else default,
                annotation=hints[field.name],
            )
        )
    return parameters
