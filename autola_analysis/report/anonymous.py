"""Leaving paths, host and user out of what is written, for a report that goes to reviewers.

Everything in a report is drawn from its tables, its arrays and its record, so these three are cleaned, and by one
function: a name stays the same name everywhere.
"""

from __future__ import annotations

import re
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.files import home
from autola_analysis.core.results import Arrays, Stored
from autola_analysis.report.record import recorded_data, user_name

if TYPE_CHECKING:
    import pandas as pd

PATH = re.compile(
    r"(?<![\w:/.])(?:(?:~[\w-]*|[A-Za-z]:)?[/\\]|(?:\.\.?[/\\])+)(?:[^\s/\\'\",;:()\[\]<>]+[/\\])*"
    r"([^\s/\\'\",;:()\[\]<>]*)"
)
"""A path that nobody announced: absolute, or from the working directory or one above it."""
AT_LEAST = 2
"""Separators in a path that is absolute: one alone may be any slash."""
WORDS = frozenset({"title"})
"""Keys of a study file whose text is no path, though it may have a slash."""
ANYBODY = frozenset(
    ["root", "user", "admin", "nobody", "ubuntu", "debian", "docker", "jovyan", "runner", "node", "app", "localhost"]
)
"""Names of users and hosts that identify nobody, and that layers and classes may have."""


class Cleaner:
    """Takes what names a place or a person out of texts; of a path the name of its file is left.

    Args:
        record: Of the run, as `new_record` made it; the paths in it are known to be paths, spaces and all.
        base: Directory that relative paths of the study are relative to.
    """

    def __init__(self, record: Mapping[str, Any], base: Path) -> None:
        paths = {path for text in _texts(record) for path in _paths_of(text)}
        whole = {str((base / path).absolute()) for path in paths} | {str((base / path).resolve()) for path in paths}
        known = {path: Path(path).name for path in paths | whole if len(path) > 1 and Path(path).name}
        secrets = {str(place): name for place, name in ((home(), "~"), (Path.cwd(), "."), (base, "."))}
        known |= {place: name for place, name in secrets.items() if len(place) > 1}
        self._known = sorted(known.items(), key=lambda item: -len(item[0]))
        names = {
            str(name) for name in (*record.get("machine", {}).values(), socket.gethostname(), user_name())
        } - ANYBODY
        names.discard(str(record.get("machine", {}).get("system")))
        self._names = [re.compile(rf"(?<!\w){re.escape(name)}(?!\w)") for name in sorted(names) if len(name) > 1]
        self.text = lru_cache(maxsize=100_000)(self._text)

    def _text(self, text: str) -> str:
        for path, name in self._known:
            text = text.replace(path, name)
        text = PATH.sub(_name_alone, text)
        for pattern in self._names:
            text = pattern.sub("...", text)
        return text

    def record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a run record without paths, host, user and what files of weights say in words of their own."""
        cleaned: dict[str, Any] = _changed(dict(record), self.text, self.text)
        for model in cleaned.get("models", []):
            model["evidence"] = model["warnings"] = []
        cleaned["machine"] = {"system": record["machine"]["system"]} if "machine" in record else {}
        return cleaned

    def stored(self, stored: Stored) -> Stored:
        """Return tables and arrays with all texts cleaned."""
        return Stored(
            {name: self.table(table) for name, table in stored.tables.items()},
            {
                name: Arrays({key: self._array(value) for key, value in arrays.values.items()}, self._about(arrays))
                for name, arrays in stored.arrays.items()
            },
            stored.large,
        )

    def table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with all texts cleaned."""
        return table.map(lambda value: self.text(value) if isinstance(value, str) else value)

    def _about(self, arrays: Arrays) -> Any:
        return _changed(arrays.about, self.text, self.text)

    def _array(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype.kind != "U":
            return array
        return np.array([self.text(str(text)) for text in array.flat]).reshape(array.shape)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return what to call images instead of their paths: the names of their files, equal ones numbered."""
    count = Counter(Path(name).name for name in names)
    seen: Counter[str] = Counter()
    short = {}
    for name in names:
        base = Path(name).name
        seen[base] += 1
        short[name] = base if count[base] == 1 else f"{base} ({seen[base]})"
    return short


def _texts(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a record that are paths or have one."""
    yield from map(str, record.get("command", sys.argv))
    yield from _leaves({key: value for key, value in record.get("study", {}).items() if key not in WORDS})
    yield from (str(model["path"]) for model in record.get("models", []))
    for data in recorded_data(record):
        yield str(data["name"])
        yield from map(str, data["left_out"])


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, str):
        yield value


def _paths_of(text: str) -> Iterator[str]:
    """Yield the paths in ``--option=PATH``, ``NAME=PATH``, ``kind:PATH`` and ``PATH:Name``."""
    for part in re.split(r"[=:]", text):
        if "/" in part or "\\" in part:
            yield part


def _name_alone(match: re.Match[str]) -> str:
    path = match.group()
    if path.startswith(("/", "\\")) and len(re.findall(r"[/\\]", path)) < AT_LEAST:
        return path
    return match.group(1) or "..."


def _changed(value: Any, key: Callable[[str], str], text: Callable[[str], str]) -> Any:
    """Return nested mappings and lists with every key and every text changed."""
    if isinstance(value, Mapping):
        return {key(str(name)): _changed(each, key, text) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_changed(each, key, text) for each in value]
    return text(value) if isinstance(value, str) else value
