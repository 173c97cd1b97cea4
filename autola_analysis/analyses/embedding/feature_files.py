"""Where features go during a pass: into memory, or row by row into a file of the cache."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from autola_analysis.analyses.embedding.features import Features, FloatArray, read_manifest, write_rest
from autola_analysis.core.errors import CacheError
from autola_analysis.core.files import replacing_directory, sync
from autola_analysis.data.source import hash_of

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes in rows of features and hands them back as one array."""

    def append(self, rows: FloatArray) -> None:
        """Add rows ``(B, D)``."""

    def finish(self) -> FloatArray:
        """Return all rows ``(N, D)``."""


class MemorySink:
    """Keeps the rows in memory."""

    def __init__(self) -> None:
        self._rows: list[FloatArray] = []

    def append(self, rows: FloatArray) -> None:
        """Add rows ``(B, D)``."""
        self._rows.append(rows)

    def finish(self) -> FloatArray:
        """Return all rows ``(N, D)``."""
        return np.concatenate(self._rows)


class FileSink:
    """Appends the rows to a ``.npy`` file, whose length need not be known beforehand.

    The rows are written, not mapped: where the disk is full, writing gives an error, and a mapped file kills the
    process.

    Args:
        path: File to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._shape = (0, 0)

    def append(self, rows: FloatArray) -> None:
        """Add rows ``(B, D)``.

        Raises:
            CacheError: If they cannot be written.
        """
        with _written(self._path.parent):
            if self._file is None:
                self._file = self._path.open("wb")
                self._shape = (0, rows.shape[1])
                self._write_header()
            self._file.write(np.ascontiguousarray(rows, dtype="<f4").data)
            self._shape = (self._shape[0] + len(rows), rows.shape[1])

    def finish(self) -> FloatArray:
        """Complete the file and return it mapped into memory."""
        assert self._file is not None, "a pass without images raises before this"
        with _written(self._path.parent):
            self._file.seek(0)
            self._write_header()  # numpy leaves room in it for a larger first dimension
            sync(self._file)
            self._file.close()
        values: FloatArray = np.load(self._path, mmap_mode="r")
        return values

    def close(self) -> None:
        """Close the file, finished or not."""
        if self._file is not None:
            self._file.close()

    def _write_header(self) -> None:
        assert self._file is not None
        header = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(self._file, header)


class CacheEntry:
    """The place of one set of features in a cache.

    Args:
        cache: The cache directory.
        inputs: Everything the features depend on, JSON-ready; it names the place and is stored there.
    """

    def __init__(self, cache: Path, inputs: Mapping[str, Any]) -> None:
        self.inputs: dict[str, Any] = json.loads(json.dumps(dict(inputs)))
        self.path = cache / "features" / hash_of(json.dumps(self.inputs, sort_keys=True))[:32]

    def open(self, model: str, run: str) -> Features | None:
        """Return the features under the variant's name; None where they are missing, half written, or others."""
        if not self.path.exists():
            return None
        manifest = read_manifest(self.path)
        if manifest is None:
            logger.warning("the features in %s are not complete; they are computed anew.", self.path)
            return None
        if manifest["inputs"] != self.inputs:
            recorded = manifest["inputs"] or {}
            other = [name for name, value in self.inputs.items() if recorded.get(name) != value]
            logger.warning("the features in %s have other %s; they are computed anew.", self.path, ", ".join(other))
            return None
        return replace(Features.load(self.path), model=model, run=run)

    @contextmanager
    def writing(self) -> Iterator[EntryWriter]:
        """Yield what fills the place; it appears there whole when the context ends without an exception.

        Raises:
            CacheError: If the cache cannot be written.
        """
        with ExitStack() as stack:
            with _written(self.path.parent):
                directory = stack.enter_context(replacing_directory(self.path))
            writer = EntryWriter(directory, self)
            try:
                yield writer
            finally:
                writer.sink.close()


class EntryWriter:
    """Fills a place of the cache: first the rows, then the rest.

    Args:
        directory: Temporary directory.
        entry: The place.
    """

    def __init__(self, directory: Path, entry: CacheEntry) -> None:
        self.sink = FileSink(directory / "values.npy")
        self._directory = directory
        self._entry = entry

    def complete(self, features: Features) -> None:
        """Write everything but the rows."""
        with _written(self._entry.path.parent):
            write_rest(self._directory, features, self._entry.inputs)


@contextmanager
def _written(directory: Path) -> Iterator[None]:
    """Say which directory it was where the disk is full."""
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"cannot write features into {directory}: {error.strerror or error}; "
            "free some space, give another --cache, or leave it out."
        ) from error
