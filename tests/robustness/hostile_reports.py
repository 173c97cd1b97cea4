"""Reports that somebody has changed, hashes repaired; each a pure function of its name."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autola_analysis.core.files import sha256_of

Change = Callable[[Path], object]
RecordChange = Callable[[dict[str, Any]], object]


def _record(change: RecordChange) -> Change:
    def apply(report: Path) -> None:
        record = json.loads((report / "run.json").read_text())
        change(record)
        (report / "run.json").write_text(json.dumps(record))

    return apply


def _set(*keys: str, value: object) -> Change:
    def change(record: dict[str, Any]) -> None:
        for key in keys[:-1]:
            record = record[key]
        record[keys[-1]] = value

    return _record(change)


def _text(content: str) -> Change:
    return lambda report: (report / "run.json").write_text(content)


def repaired(report: Path) -> None:
    """Write the hashes of the files as they are now into the record."""

    def change(record: dict[str, Any]) -> None:
        for name in record["outputs"]:
            if (report / name).is_file():
                record["outputs"][name] = sha256_of(report / name)

    _record(change)(report)


def _lines(report: Path, table: str, change: Callable[[list[str]], list[str]]) -> None:
    path = report / "tables" / f"{table}.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    repaired(report)


def _column_missing(lines: list[str]) -> list[str]:
    return [line.rpartition(",")[0] for line in lines]


def _first_column_missing(lines: list[str]) -> list[str]:
    return [line.partition(",")[2] for line in lines]


LINES: dict[str, Callable[[list[str]], list[str]]] = {
    "last column missing": _column_missing,
    "first column missing": _first_column_missing,
    "no rows": lambda lines: lines[:1],
    "no bytes": lambda lines: [],
    "text for numbers": lambda lines: [lines[0], *(",".join("x" for _ in line.split(",")) for line in lines[1:])],
    "rows twice": lambda lines: [*lines, *lines[1:]],
    "a row too long": lambda lines: [*lines, f"{lines[-1]},1,2,3"],
    "huge numbers": lambda lines: [lines[0], *(",".join("9" * 400 for _ in line.split(",")) for line in lines[1:])],
    "other names": lambda lines: [lines[0], *(f"z{line}" for line in lines[1:])],
}


def _arrays(report: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = report / "arrays" / f"{name}.npz"
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)
    repaired(report)


def _empty(arrays: dict[str, Any]) -> None:
    for key in list(arrays):
        if key != "about":
            arrays[key] = np.empty(0, arrays[key].dtype)


def _flat(arrays: dict[str, Any]) -> None:
    for key in list(arrays):
        if key != "about":
            arrays[key] = arrays[key].reshape(-1)[:3]


def _first(arrays: dict[str, Any]) -> str:
    return next((key for key in arrays if key != "about"), "about")


ARRAYS: dict[str, Callable[[dict[str, Any]], object]] = {
    "array missing": lambda a: a.pop(_first(a)),
    "no arrays": lambda a: a.clear(),
    "empty arrays": _empty,
    "flat arrays": _flat,
    "about that is no JSON": lambda a: a.update(about=np.array("{")),
    "about of a list": lambda a: a.update(about=np.array("[]")),
    "about of nothing": lambda a: a.update(about=np.array("null")),
    "about nested": lambda a: a.update(about=np.array("[" * 100_000 + "]" * 100_000)),
    "arrays of text": lambda a: a.update({_first(a): np.array(["x", "y"])}),
}


def _pickled(report: Path, name: str) -> None:
    path = report / "arrays" / f"{name}.npz"
    np.savez(path, about=np.array("{}"), x=np.array([{"a": 1}], dtype=object))
    repaired(report)


def _bomb(report: Path, name: str) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (2**30,)})
    with zipfile.ZipFile(report / "arrays" / f"{name}.npz", "w") as archive:
        archive.writestr("about.npy", buffer.getvalue())
    repaired(report)


def _deflated(report: Path, name: str) -> None:
    np.savez_compressed(report / "arrays" / f"{name}.npz", about=np.array("{}"), x=np.zeros(10**7))
    repaired(report)


def _pipe(report: Path, name: str) -> None:
    (report / "arrays" / f"{name}.npz").unlink()
    os.mkfifo(report / "arrays" / f"{name}.npz")


def _outside(record: dict[str, Any]) -> None:
    record["outputs"]["../outside.txt"] = "0" * 64


FILES = {"pickled": _pickled, "announces 8 GB": _bomb, "deflated": _deflated, "a pipe": _pipe}
RECORDS: dict[str, Change] = {
    "run.json nested": _text("[" * 100_000),
    "run.json of nothing": _text(""),
    "run.json of UTF-16": lambda r: (r / "run.json").write_bytes("{}".encode("utf-16")),
    "run.json with a null byte": _text("{}\0"),
    "outputs of a list": _set("outputs", value=[]),
    "outputs of a text": _set("outputs", value="figures"),
    "outputs outside": _record(_outside),
    "sections of a list": _set("layout", "analyses", value=[]),
    "layout of a list": _set("layout", value=[]),
    "layout with another key": _set("layout", "more", value=1),
    "layout without analyses of this version": _set("layout", "analyses", value={"nothing": {}}),
    "an unknown option": _set("layout", "analyses", "gates", "options", value={"radius": 3}),
    "an option out of bounds": _set("layout", "analyses", "gates", "options", value={"seed": -1}),
    "options of nothing": _set("layout", "analyses", "gates", "options", value=None),
    "an analysis of nothing": _set("layout", "analyses", "gates", value=None),
    "width of a list": _set("layout", "width", value=[]),
    "width of 10**6": _set("layout", "width", value=10**6),
    "title of a number": _set("layout", "title", value=3),
    "versions of a list": _set("versions", value=[]),
    "versions of nothing": _set("versions", value={}),
    "warnings of a number": _set("warnings", value=7),
    "warnings of numbers": _set("warnings", value=[1, 2]),
    "models of a text": _set("models", value="SE"),
    "models with a text": _set("models", value=["SE"]),
    "models without names": _set("models", value=[{}]),
    "data of a text": _set("data", value="pets"),
    "data with a text": _set("data", value={"pets": "cats"}),
    "data without images": _set("data", value={"pets": {"name": "x", "fingerprint": "f"}}),
    "command of a number": _set("command", value=5),
}


def cases(tables: list[str], arrays: list[str]) -> dict[str, Change]:
    """Return all changes of a report by name.

    Args:
        tables: Names of its tables.
        arrays: Names of its files of arrays.
    """
    of_tables = {
        f"{table}.csv: {kind}": (lambda report, table=table, change=change: _lines(report, table, change))
        for table in tables
        for kind, change in LINES.items()
    }
    of_arrays = {
        f"{name}.npz: {kind}": (lambda report, name=name, change=change: _arrays(report, name, change))
        for name in arrays
        for kind, change in ARRAYS.items()
    }
    of_files = {
        f"{name}.npz: {kind}": (lambda report, name=name, change=change: change(report, name))
        for name in arrays
        for kind, change in FILES.items()
    }
    return {**RECORDS, **of_tables, **of_arrays, **of_files}
