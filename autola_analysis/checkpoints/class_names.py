"""Names of a head's outputs that the user states: a file, a built-in list, or the names themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.reading import TextFault, json_of, read_text
from autola_analysis.data.imagenet import imagenet_classes

ClassNames = str | Path | Sequence[str]
"""A built-in list by name, a file, or the names in the order of the outputs"""

BUILT_IN: dict[str, Callable[[], Sequence[str]]] = {"imagenet": lambda: list(imagenet_classes().values())}
"""Lists that need no file."""


def read_class_names(given: ClassNames, flag: str = "--classes") -> tuple[str, ...]:
    """Return names of classes, in the order of a head's outputs.

    A file holds a name per line, a JSON list of names, or a JSON table of output numbers and names (or of lists that
    end with the name, as ``imagenet_class_index.json`` has them).

    Args:
        given: A built-in list by name, a file, or the names.
        flag: That named it, for messages.

    Raises:
        OptionError: If a file cannot be read, holds no names, or does not name every output.
    """
    if not isinstance(given, str | Path):
        return _checked([str(name) for name in given], "classes")
    if str(given) in BUILT_IN:
        return tuple(BUILT_IN[str(given)]())
    path = expanded(given)
    try:
        text = read_text(path)
    except OSError as error:
        raise OptionError(
            f"{flag} names {path}, which cannot be read ({error.strerror}); give a file with a class name per line, "
            f"or {', '.join(BUILT_IN)}."
        ) from error
    except TextFault as error:
        raise OptionError(f"{flag} names {path}, but {error}; give a class name per line.") from error
    names = _of_json(text, path, flag) if text.lstrip().startswith(("[", "{")) else text.splitlines()
    return _checked([name.strip() for name in names if name.strip()], str(path))


def _of_json(text: str, path: Path, flag: str) -> list[str]:
    try:
        values = json_of(text)
        if isinstance(values, dict):
            values = [values[str(number)] for number in range(len(values))]
        return [str(value[-1] if isinstance(value, list) else value) for value in values]
    except (ValueError, KeyError, IndexError) as error:
        raise OptionError(
            f"{flag} names {path}, which is no JSON list of names and no JSON table of the outputs 0, 1, ... and "
            "their names; mend it, or write a class name per line."
        ) from error


def _checked(names: list[str], where: str) -> tuple[str, ...]:
    if not names:
        raise OptionError(f"{where} holds no class name; give one per output of the head.")
    for name in names:
        if not name.isprintable():
            raise OptionError(f"{name!a} in {where} cannot name a class; use printable characters.")
    return tuple(names)
