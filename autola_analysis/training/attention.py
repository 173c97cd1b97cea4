"""The options of the attention module of a training, checked before any image is read."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from autola_analysis.attention.registry import AttentionFactory
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import nearest

GENOTYPE = "genotype"
SCALARS: tuple[type, ...] = (bool, int, float, str, NoneType)


def parse_option(text: str) -> tuple[str, Any]:
    """Return key and value of ``KEY=VALUE``; the value is a JSON scalar, or the text where it is no JSON.

    Raises:
        OptionError: If the equals sign is missing, or the value is a list, an object or not finite.
    """
    key, separator, written = text.partition("=")
    if not separator or not key:
        raise OptionError(f"--attention-option takes KEY=VALUE; found {text!r}.")
    try:
        value = json.loads(written.lower() if written in ("True", "False") else written, parse_constant=float)
    except (ValueError, RecursionError):
        value = written
    if not isinstance(value, SCALARS) or (isinstance(value, float) and not math.isfinite(value)):
        raise OptionError(
            f"--attention-option {key} takes a finite number, true, false, null or a text; found {text!r}."
        )
    return key.replace("-", "_"), value


def check_options(attention: str, factory: AttentionFactory, options: Mapping[str, Any]) -> None:
    """Compare options with the parameters that an attention module takes after its channels.

    Args:
        attention: Its name, for messages.
        factory: The module class or function.
        options: Values by parameter; ``genotype`` is checked where a genotype is made.

    Raises:
        OptionError: If the module has no such parameter, or a value is not of the parameter's type.
    """
    try:
        parameters = list(inspect.signature(factory).parameters.values())[1:]
    except ValueError:  # compiled code has no signature
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = {parameter.name: parameter for parameter in parameters}
    hints = _hints(factory)
    for key, value in options.items():
        if key not in known:
            raise OptionError(_unknown(attention, key, list(known)))
        kinds = _kinds(hints.get(key), known[key].default)
        if key != GENOTYPE and kinds and not _fits(value, kinds):
            expected = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
            raise OptionError(f"the option {key} of the attention {attention} takes {expected}; found {value!r}.")


def _unknown(attention: str, key: str, known: list[str]) -> str:
    if key == GENOTYPE:
        return f"the attention {attention} takes no genotype; give --attention hoga or leave --genotype out."
    if not known:
        return f"the attention {attention} takes no options; leave {key} out."
    return f"the attention {attention} has no option {key!r}; the nearest: {', '.join(nearest(key, known))}."


def _hints(factory: AttentionFactory) -> dict[str, Any]:
    """Return the types of the parameters; none where they cannot be evaluated."""
    written = inspect.unwrap(factory)
    try:
        return get_type_hints(written.__init__ if inspect.isclass(written) else written)
    except (AttributeError, NameError, TypeError):  # types that an own module imports for a type checker alone
        return {}


def _kinds(hint: Any, default: object) -> tuple[type, ...]:
    """Return the scalar types that a parameter takes; none where neither its type nor its default says so."""
    if hint is None:
        return (type(default),) if isinstance(default, (bool, int, float, str)) else ()
    written = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(kind for kind in written if kind in SCALARS)


def _fits(value: object, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds or (type(value) is int and float in kinds)
