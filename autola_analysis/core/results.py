"""The one serialiser of results: tables as CSV, arrays with the facts that belong to them, a manifest written last.

A saved result is a directory with ``tables/``, ``arrays/`` and ``result.json``. A report holds the same tables and
arrays of all its analyses, and its manifest is ``run.json``.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.brief import brief
from autola_analysis.core.errors import CacheError, DataError, ReportError
from autola_analysis.core.files import expanded, replacing, sha256_of, sync
from autola_analysis.core.reading import json_of, open_ordinary, read_text
from autola_analysis.core.tables import Table, has_table, read_table, write_table
from autola_analysis.core.text import title_of

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "result.json"
"""Written last: a directory without it holds no complete result."""
ABOUT = "about"
"""Key of the facts in an array file, as JSON; every other key that is made of names has a stroke in it."""


@dataclass(frozen=True)
class Arrays:
    """Arrays that belong together.

    Attributes:
        values: By key.
        about: Whatever else is needed to understand them, JSON-ready.
    """

    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    about: Any = None


@dataclass(frozen=True)
class Stored:
    """What a result is on disk.

    Attributes:
        tables: By name.
        arrays: By the name of the file.
        large: Arrays of their own file, mapped into memory when they are read.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    arrays: Mapping[str, Arrays] = field(default_factory=dict)
    large: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """Which files a kind of result consists of.

    Attributes:
        kind: What it is called, in the manifest and in messages.
        tables: Declarations of its tables.
        arrays: Names of its array files.
        large: Names of its large arrays.
    """

    kind: str
    tables: tuple[Table, ...] = ()
    arrays: tuple[str, ...] = ()
    large: tuple[str, ...] = ()

    @classmethod
    def either(cls, kind: str, *formats: Format) -> Format:
        """Return the format of a result of one of several kinds: any of their tables may be missing."""
        tables = {table.name: replace(table, optional=True) for each in formats for table in each.tables}
        return cls(kind, tuple(tables.values()), tuple(dict.fromkeys(name for each in formats for name in each.arrays)))


class SavedResult(ABC):
    """A result that can be saved and loaded; what prints it shows a few lines."""

    FORMAT: ClassVar[Format]

    def __repr__(self) -> str:
        return brief(self)

    @abstractmethod
    def stored(self) -> Stored:
        """Return the result as tables and arrays."""

    @classmethod
    @abstractmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result that `stored` gave these tables and arrays."""

    def save(self, directory: str | Path) -> None:
        """Write the result into a directory, its manifest last.

        Raises:
            CacheError: If the disk is full or cannot be written.
        """
        save_result(expanded(directory), self.FORMAT, self.stored())

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: If the directory holds no complete result of this kind.
        """
        return cls.restored(load_result(expanded(directory), cls.FORMAT))


class NetworkResult(SavedResult):
    """The result of one network, which is stored together with those of other networks.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
    """

    model: str
    run: str

    @property
    def title(self) -> str:
        """Name and run, for messages."""
        return title_of(self.model, self.run)

    @classmethod
    @abstractmethod
    def together(cls, results: Sequence[Self]) -> Stored:
        """Return the results of some networks as tables and arrays."""

    @classmethod
    @abstractmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the results that `together` gave these tables and arrays, in order."""

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        return self.together([self])

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        (result,) = cls.apart(stored)
        return result


def write_stored(directory: Path, result_format: Format, stored: Stored) -> None:
    """Write tables and arrays into an existing directory, without a manifest."""
    for table in result_format.tables:
        if table.name in stored.tables:
            write_table(directory, table, stored.tables[table.name])
    if stored.arrays or stored.large:
        (directory / "arrays").mkdir(exist_ok=True)
    for name, arrays in stored.arrays.items():
        write_arrays(directory, name, arrays)
    for name, array in stored.large.items():
        _write_large(directory / "arrays" / f"{name}.npy", np.ascontiguousarray(array))


def _write_large(path: Path, array: NDArray[Any]) -> None:
    """Write an array as ``.npy``; unlike `numpy.save`, which loses what is in its buffer, say when the disk is full."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)
        sync(file)


def read_stored(directory: Path, result_format: Format) -> Stored:
    """Read what `write_stored` wrote; tables that are optional, and array files, may be missing.

    Raises:
        ReportError: If a table is missing, or a file is damaged.
    """
    tables = {
        table.name: read_table(directory, table)
        for table in result_format.tables
        if not table.optional or has_table(directory, table.name)
    }
    arrays = {name: read_arrays(directory, name) for name in result_format.arrays if has_arrays(directory, name)}
    return Stored(tables, arrays, {name: _mapped(directory, name) for name in result_format.large})


def _mapped(directory: Path, name: str) -> NDArray[Any]:
    """Return a large array, mapped into memory."""
    try:
        array: NDArray[Any] = np.load(directory / "arrays" / f"{name}.npy", mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise ReportError(f"arrays/{name}.npy is missing or damaged ({error}); run the analysis again.") from error
    return array


def write_arrays(directory: Path, name: str, arrays: Arrays) -> None:
    """Write ``arrays/<name>.npz`` into a directory."""
    folder = directory / "arrays"
    folder.mkdir(exist_ok=True)
    keyed: dict[str, Any] = {**arrays.values, ABOUT: np.array(json.dumps(arrays.about))}
    np.savez(folder / f"{name}.npz", **keyed)


def has_arrays(directory: Path, name: str) -> bool:
    """Return whether a directory holds ``arrays/<name>.npz``."""
    return (directory / "arrays" / f"{name}.npz").exists()


def read_arrays(directory: Path, name: str) -> Arrays:
    """Read what `write_arrays` wrote.

    Raises:
        ReportError: If there is no such file, it is damaged, or an earlier version wrote it without facts.
    """
    if not has_arrays(directory, name):
        raise ReportError(f"there is no arrays/{name}.npz in the report; run the analysis again.")
    try:
        path = directory / "arrays" / f"{name}.npz"
        with open_ordinary(path) as opened:
            check_announced(opened)
            with np.load(opened, allow_pickle=False) as file:
                arrays = dict(file)
        about = json_of(str(arrays.pop(ABOUT)), finite=False)
    except KeyError as error:
        raise ReportError(
            f"arrays/{name}.npz comes from a version that could not redraw; run the analysis again."
        ) from error
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ReportError(f"arrays/{name}.npz is damaged ({error}); run the analysis again.") from error
    return Arrays(arrays, about)


def check_announced(file: BufferedReader) -> None:
    """Refuse an archive of arrays that would take more memory than it has bytes.

    Raises:
        ValueError: If a member is compressed, or announces an array of another size than it has.
    """
    with ZipFile(file) as archive:
        for member in archive.infolist():
            with archive.open(member) as array:
                version = np.lib.format.read_magic(array)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, kind = read(array)
                size = array.tell() + math.prod(shape) * kind.itemsize
            if member.compress_type != ZIP_STORED or size != member.file_size:
                raise ValueError(f"{member.filename} is compressed, or of another size than it announces")
    file.seek(0)


def save_result(directory: Path, result_format: Format, stored: Stored) -> None:
    """Write a result of its own: an old one stays as it is until the new files are written; the manifest comes last.

    Arrays may be mapped from the files of the old one.

    Raises:
        CacheError: If the disk is full or cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".saving-", dir=directory) as made:
            written = Path(made)
            write_stored(written, result_format, stored)
            files = _hashes(written, result_format)
            for name in (MANIFEST, *_file_names(result_format)):
                (directory / name).unlink(missing_ok=True)
            for name in files:
                (directory / name).parent.mkdir(exist_ok=True)
                (written / name).replace(directory / name)
        with replacing(directory / MANIFEST) as path:
            manifest = {"format": 1, "kind": result_format.kind, "files": files}
            path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise CacheError(
            f"cannot write the {result_format.kind} result into {directory}: {error.strerror or error}."
        ) from error


def load_result(directory: Path, result_format: Format) -> Stored:
    """Read what `save_result` wrote.

    Raises:
        DataError: If the directory holds no complete result of this kind, or a file has changed.
    """
    try:
        manifest = json_of(read_text(directory / MANIFEST))
        kind, files = manifest["kind"], dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{directory} holds no saved {result_format.kind} result: {MANIFEST} is missing or damaged."
        ) from error
    if kind != result_format.kind:
        raise DataError(f"{directory} holds a {kind} result, not a {result_format.kind} result.")
    try:
        if files != _hashes(directory, result_format):
            raise DataError(f"the {result_format.kind} result in {directory} is incomplete, or its files have changed.")
        return read_stored(directory, result_format)
    except (ReportError, OSError) as error:
        raise DataError(f"the {result_format.kind} result in {directory} cannot be read: {error}") from error


def _hashes(directory: Path, result_format: Format) -> dict[str, str]:
    """Return the sha256 of every file of a result that is there, by its name."""
    names = _file_names(result_format)
    return {name: sha256_of(directory / name) for name in names if (directory / name).exists()}


def _file_names(result_format: Format) -> list[str]:
    """Return the names of all files that a result can have."""
    return [
        *(f"tables/{table.name}.csv" for table in result_format.tables),
        *(f"arrays/{name}.npz" for name in result_format.arrays),
        *(f"arrays/{name}.npy" for name in result_format.large),
    ]
