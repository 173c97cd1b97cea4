"""Leaving paths, host and user out of what is written, for a report that goes to reviewers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from autola_analysis.report.record import recorded_data

ABSOLUTE = re.compile(r"(?<![\w:/])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\",;:()\[\]<>]+[/\\])+([^\s/\\'\",;:()\[\]<>]*)")
"""A path with a folder in it: two separators at least, the first at its start."""


def anonymous_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run record without paths, host and user: a path becomes the name of its file.

    Args:
        record: As `new_record` made it.
    """
    known = _paths(record)
    text, argument = partial(_text, known=known), partial(_argument, known=known)
    cleaned: dict[str, Any] = _changed(dict(record), text, text)
    cleaned["command"] = [argument(str(word)) for word in record.get("command", [])]
    if "study" in record:  # a study file names checkpoints and images by relative paths too
        cleaned["study"] = _changed(record["study"], str, argument)
    cleaned["machine"] = {"system": record["machine"]["system"]} if "machine" in record else {}
    return cleaned


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


def _paths(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the paths that are known to stand in a record, longest first, and what stands for each."""
    paths = [str(model["path"]) for model in record.get("models", [])]
    for data in recorded_data(record):
        root = str(data["name"]).partition(":")[2]
        paths += [*map(str, data["left_out"]), *([root] if root else [])]
    short = {path: Path(path).name for path in paths}
    secrets = {str(Path.home()): "~", str(Path.cwd()): "."}
    return dict(sorted((short | secrets).items(), key=lambda item: -len(item[0])))


def _changed(value: Any, key: Callable[[str], str], text: Callable[[str], str]) -> Any:
    """Return nested mappings and lists with every key and every text changed."""
    if isinstance(value, Mapping):
        return {key(str(name)): _changed(each, key, text) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_changed(each, key, text) for each in value]
    return text(value) if isinstance(value, str) else value


def _text(text: str, known: Mapping[str, str]) -> str:
    for path, name in known.items():
        if len(path) > 1:
            text = text.replace(path, name)
    return ABSOLUTE.sub(lambda match: match.group(1) or "...", text)


def _argument(text: str, known: Mapping[str, str]) -> str:
    """Return a word of the command; of paths, also relative ones, only the name of the file is left."""
    cleaned = _text(text, known)
    option, equals, value = cleaned.rpartition("=")
    kind, colon, place = value.rpartition(":")
    return f"{option}{equals}{kind}{colon}{Path(place).name if '/' in place else place}"
