"""Where rows of numbers go during a pass: into memory, or row by row into a file of the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.cache import cache_errors
from autola_analysis.core.files import sync

FloatArray = NDArray[np.float32]


class Sink(Protocol):
    """Takes in rows of features and hands them back as one array."""

    def append(self, rows: FloatArray) -> None:
        """Add rows ``(B, D)``."""

    def finish(self) -> FloatArray:
        """Return all rows ``(N, D)``."""

    def drain(self) -> Iterator[FloatArray]:
        """Begin anew, and hand out what was appended so far, piece by piece."""


class MemorySink:
    """Keeps the rows in memory."""

    def __init__(self) -> None:
        self._rows: list[FloatArray] = []

    def append(self, rows: FloatArray) -> None:
        """Add rows ``(B, D)``."""
        self._rows.append(rows)

    def finish(self) -> FloatArray:
        """Return all rows ``(N, D)``."""
        return np.concatenate(self._rows) if self._rows else np.empty((0, 0), np.float32)

    def drain(self) -> Iterator[FloatArray]:
        """Begin anew, and hand out the pieces, which are then no longer held."""
        pieces = deque(self._rows)
        self._rows = []
        return (pieces.popleft() for _ in range(len(pieces)))


class FileSink:
    """Appends the rows to a ``.npy`` file, whose length need not be known beforehand.

    The rows are written, not mapped: where the disk is full, writing gives an error, and a mapped file kills the
    process. The file is open only while it is written to, so that nothing need be closed when a pass fails.

    Args:
        path: File to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shape = (0, 0)
        self._pieces: list[int] = []

    def append(self, rows: FloatArray) -> None:
        """Add rows ``(B, D)``.

        Raises:
            CacheError: If they cannot be written.
        """
        with cache_errors(self._path.parent):
            if self._shape[1] == 0:
                self._shape = (0, rows.shape[1])
                with self._path.open("wb") as file:
                    self._write_header(file)
            with self._path.open("ab") as file:
                file.write(np.ascontiguousarray(rows, dtype="<f4").data)
            self._shape = (self._shape[0] + len(rows), self._shape[1])
            self._pieces.append(len(rows))

    def finish(self) -> FloatArray:
        """Complete the file and return it mapped into memory."""
        if not self._pieces:
            return np.empty((0, 0), np.float32)
        with cache_errors(self._path.parent), self._path.open("rb+") as file:
            self._write_header(file)  # numpy leaves room in it for a larger first dimension
            sync(file)
        values: FloatArray = np.load(self._path, mmap_mode="r")
        return values

    def drain(self) -> Iterator[FloatArray]:
        """Begin a new file, and hand out the pieces of the old one, which is then deleted."""
        if not self._pieces:
            return iter(())
        pieces = np.split(self.finish(), np.cumsum(self._pieces)[:-1])
        self._path.unlink()  # it stays readable while it is mapped
        self._shape, self._pieces = (0, 0), []
        return iter(pieces)

    def _write_header(self, file: IO[bytes]) -> None:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": self._shape})
