"""Which code numbers come from: hashes of source files, of what they import beside them, and of this package."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from autola_analysis.core.files import sha256_of

LIBRARIES = ("torch", "torchvision", "Pillow", "numpy", "scipy")
"""Distributions that numbers depend on; they are addressed by version."""
NUMERICAL = (
    "analyses",
    "attention",
    "backbones",
    "checkpoints",
    "core",
    "data",
    "detectors",
    "inference",
    "statistics",
)
"""Rooms of this package that numbers come from; report, study and command line only show them."""
SOURCE = "__autola_source__"
"""Attribute of a module that was made of bytes that we have read: these bytes."""
PACKAGE = Path(__file__).parents[1]


@functools.cache
def numerical_code() -> dict[str, str]:
    """Return the versions of what numbers depend on, and a hash of this package's own code."""
    digest = hashlib.sha256()
    for path in sorted(file for room in NUMERICAL for file in (PACKAGE / room).rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} {sha256_of(path)} ".encode())
    return {**{name: version_of(name) for name in LIBRARIES}, "autola-analysis": digest.hexdigest()}


@functools.cache
def version_of(distribution: str) -> str:
    """Return the version of an installed distribution; "" where there is none of the name."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


@functools.cache
def is_installed(file: str) -> bool:
    """Return whether a file belongs to Python or to an installed package, which are known by their version."""
    places = [str(PACKAGE), sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    return bool({"site-packages", "dist-packages"} & set(Path(file).parts)) or any(
        Path(file).is_relative_to(place) for place in places
    )


def code_of(name: str) -> dict[str, str]:
    """Return a hash of the source of a module and of all that it imports beside it, by module.

    Installed packages are followed no further: of the module itself the version and its own file count.

    Args:
        name: Of the module, which is imported.
    """
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        file = _file_of(module)
        if module in found or file is None or (module != name and is_installed(file)):
            continue
        source = _source_of(module, file)
        found[module] = hashlib.sha256(source).hexdigest()
        if is_installed(file):
            found[module] += f" {version_of(module.partition('.')[0])}"
        elif file.endswith(".py"):
            waiting += _imported(source, sys.modules.get(module), module)
    return found


def _file_of(name: str) -> str | None:
    """Return the file of a module, imported or to be imported later; None where it has none."""
    module = sys.modules.get(name)
    if module is not None:
        return getattr(module, "__file__", None)
    parent = name.rpartition(".")[0]
    if parent and parent not in sys.modules:  # looking would import it
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    return spec.origin if spec is not None and spec.has_location else None


def _source_of(name: str, file: str) -> bytes:
    source: bytes | None = getattr(sys.modules.get(name), SOURCE, None)
    if source is not None:
        return source
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""


def _imported(source: bytes, module: ModuleType | None, name: str) -> Iterator[str]:
    """Yield the names of all modules that a source may import, wherever in it."""
    package = getattr(module, "__package__", None) or name.rpartition(".")[0]
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: count + 1]) for count in range(len(parts)))
