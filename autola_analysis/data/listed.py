"""Image files named one by one, without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from autola_analysis.core.errors import DataError
from autola_analysis.core.reading import read_bytes
from autola_analysis.data.decoding import bad_image, read_image
from autola_analysis.data.file_facts import FileFacts
from autola_analysis.data.files import IMAGE_SUFFIXES, is_left_out
from autola_analysis.data.source import ImageSource

NO_LABEL = -1


class ListedImages(ImageSource):
    """Image files in the order given, each once; of a folder, its images sorted by path, nested ones included.

    They have no labels: every label is -1, and there are no classes.

    Args:
        paths: Files or folders.

    Raises:
        DataError: If there is none, a path does not exist, or a folder holds no image.
    """

    name = "images"
    split = "as given"
    classes = ()

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.paths = list(dict.fromkeys(file for path in paths for file in _files(Path(path))))
        if not self.paths:
            raise DataError("no image was given; name files or folders.")
        self.labels = np.full(len(self.paths), NO_LABEL, dtype=np.int64)
        self.ids = [str(path) for path in self.paths]

    def image(self, index: int) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            BadImageError: If the file cannot be read or decoded to its end.
        """
        return read_image(self.paths[index])

    def contents(self, index: int) -> bytes:
        """Return the bytes of one file.

        Raises:
            BadImageError: If it cannot be read.
        """
        try:
            return read_bytes(self.paths[index])
        except OSError as error:
            raise bad_image(self.paths[index], str(error.strerror).lower()) from error

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and modification times of the files, taken once."""
        return self._facts.fingerprint

    def origin(self) -> str:
        """Return a hash of where they lie and of the times when the files last changed."""
        return self._facts.origin

    def check_unchanged(self) -> None:
        """Refuse to go on where a file has another size or time than when `fingerprint` was first asked for."""
        self._facts.check_unchanged()

    @cached_property
    def _facts(self) -> FileFacts:
        return FileFacts(self.name, os.fspath(self.paths[0].parent), [(str(path), str(path)) for path in self.paths])


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise DataError(f"there is no image {path}; check the path.")
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES and not any(map(is_left_out, file.relative_to(path).parts))
    )
    if not found:
        raise DataError(f"the folder {path} holds no image ({', '.join(IMAGE_SUFFIXES)}).")
    return found
