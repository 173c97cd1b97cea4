"""Processes that share a study compare what they have read before the first pass, and refuse to mix."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autola_analysis.analyses.agreement import versions
from autola_analysis.core.distributed import current
from autola_analysis.core.files import sha256_of
from autola_analysis.data.source import hash_of
from autola_analysis.inference.address import network_address
from autola_analysis.study.file import StudyFile
from autola_analysis.study.models import StudyModel
from autola_analysis.study.plan import Plan


def check_same_study(file: StudyFile, only: Sequence[str] | None) -> None:
    """Refuse processes that have read another study, or have other versions; before anything is loaded.

    Raises:
        ProcessError: In all processes, naming what differs.
    """

    def read() -> dict[str, object]:
        keys = {f"{place} of the study": value for place, value in _flat(file.values(), "")}
        return {**versions(), **keys, "kinds of analyses to run": list(only or ())}

    current().check_same(read)


def check_same_files(plan: Plan) -> None:
    """Refuse processes that have read other checkpoints, code or boxes; images are compared where they are opened.

    Raises:
        ProcessError: In all processes, naming what differs.
    """

    def read() -> dict[str, object]:
        inputs: dict[str, object] = {}
        for model in plan.models:
            inputs |= _of_model(model)
        for planned in plan.analyses:
            inputs |= {f"{name} of {planned.name}": _contents(path) for name, path in planned.options.files()}
        return inputs

    current().check_same(read)


def _of_model(model: StudyModel) -> dict[str, object]:
    """Return hashes of a checkpoint file and of everything that was made of it."""
    variant, loaded = model.variant, model.loaded
    read = [loaded.spec and loaded.spec.to_dict(), variant.preprocessing and variant.preprocessing.to_dict()]
    return {
        f"checkpoint of {model.title}": loaded.sha256,
        f"classes of {model.title}": hash_of(*(variant.classes or ())),
        f"preprocessing or wiring of {model.title}": hash_of(json.dumps(read, sort_keys=True)),
        f"code or weights of {model.title}": network_address(variant.model).hash,
    }


def _contents(path: Path) -> str:
    """Return a hash of a file, or of the names and contents of all files of a folder."""
    if not path.is_dir():
        return sha256_of(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return hash_of(*(part for file in files for part in (file.relative_to(path).as_posix(), sha256_of(file))))


def _flat(value: Any, place: str) -> Iterator[tuple[str, object]]:
    """Yield the plain values of nested tables and lists with their places, such as "analyses.0.permutations"."""
    if isinstance(value, Mapping):
        items: Iterator[tuple[object, Any]] = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    else:
        yield place.removeprefix("."), value
        return
    for key, inner in items:
        yield from _flat(inner, f"{place}.{key}")
