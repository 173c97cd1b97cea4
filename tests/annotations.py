"""The types that public signatures name."""

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

PACKAGE = "autola_analysis"


def types_named_by(thing: Any) -> set[type]:
    """Return the types of the package that the signature of a function, or the public face of a class, names."""
    return {
        kind
        for annotation in _annotations(thing)
        for kind in _types_in(annotation)
        if kind.__module__.partition(".")[0] == PACKAGE
    }


def _annotations(thing: Any) -> Iterator[Any]:
    """Yield the annotations of a function; of a class those of its fields, properties and public methods."""
    if not inspect.isclass(thing):
        if inspect.isfunction(thing):
            yield from _evaluated(thing.__annotations__, thing.__module__)
        return
    for base in thing.__mro__:
        if base.__module__.partition(".")[0] == PACKAGE:
            shown = {name: hint for name, hint in vars(base).get("__annotations__", {}).items() if name[0] != "_"}
            yield from _evaluated(shown, base.__module__)
            for name, member in vars(base).items():
                made = name == "__init__" and is_dataclass(base)  # of the fields, also of those of other modules
                if (name == "__init__" and not made) or not name.startswith("_"):
                    yield from _annotations(_function_of(member))


def _function_of(member: Any) -> Callable[..., Any] | None:
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    if isinstance(member, property):
        member = member.fget
    return member if inspect.isfunction(member) else None


def _evaluated(annotations: dict[str, Any], module: str) -> Iterator[Any]:
    for annotation in annotations.values():
        yield eval(annotation, _names_in(sys.modules[module])) if isinstance(annotation, str) else annotation


def _names_in(module: ModuleType) -> dict[str, Any]:
    """Return the names of a module, and those that it imports for type checkers alone."""
    names = dict(vars(module))
    for block in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test):
            for line in ast.walk(block):
                if isinstance(line, ast.ImportFrom):
                    source = import_module(str(line.module))
                    names |= {each.asname or each.name: getattr(source, each.name) for each in line.names}
                elif isinstance(line, ast.Import):
                    names |= {each.asname or each.name: import_module(each.name) for each in line.names}
    return names


def _types_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, list | tuple):  # the parameters of a Callable
        for part in annotation:
            yield from _types_in(part)
        return
    origin = typing.get_origin(annotation)
    for kind in (annotation, origin):
        if isinstance(kind, type):
            yield kind
    if origin is not typing.Literal and (parts := typing.get_args(annotation)):
        yield from _types_in(parts)
