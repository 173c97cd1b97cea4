"""Image files named one by one, without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from autola_analysis.core.errors import DataError
from autola_analysis.core.files import expanded
from autola_analysis.data.file_facts import FileFacts
from autola_analysis.data.file_source import FileSource
from autola_analysis.data.files import IMAGE_SUFFIXES, is_left_out

NO_LABEL = -1


class ListedImages(FileSource):
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
        self.paths = list(dict.fromkeys(file for path in paths for file in _files(expanded(path))))
        if not self.paths:
            raise DataError("no image was given; name files or folders.")
        self.labels = np.full(len(self.paths), NO_LABEL, dtype=np.int64)
        self.ids = [str(path) for path in self.paths]

    def path(self, index: int) -> Path:
        """Return the file of one image."""
        return self.paths[index]

    @cached_property
    def facts(self) -> FileFacts:
        """What the file system says of the files, taken once."""
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
