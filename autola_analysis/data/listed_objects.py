"""Image files named one by one for detectors: sizes are known before decoding, objects are not annotated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from autola_analysis.core.errors import BadImageError
from autola_analysis.core.objects import Objects
from autola_analysis.data.decoding import image_size
from autola_analysis.data.listed import ListedImages
from autola_analysis.data.object_source import ObjectSource

UNKNOWN = (0, 0)
"""Size of a file that is no image; decoding it says why"""


class ListedObjects(ObjectSource):
    """Image files in the order given, as `ListedImages` has them, without classes and annotations.

    Args:
        paths: Files or folders.

    Raises:
        DataError: If there is none, a path does not exist, or a folder holds no image.
    """

    name = ListedImages.name
    split = ListedImages.split
    classes = ()
    category_ids = ()

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._files = ListedImages(paths)
        self.ids = self._files.ids
        self.image_ids = np.arange(len(self.ids), dtype=np.int64)
        self.sizes = np.array([_size(path) for path in self._files.paths], dtype=np.int64)

    def image(self, index: int) -> Image.Image:
        """Decode one image."""
        return self._files.image(index)

    def objects(self, index: int) -> Objects:
        """Return no object."""
        nothing = np.empty(0, dtype=np.int64)
        return Objects(np.empty((0, 4)), nothing, np.empty(0), np.empty(0, dtype=np.bool_), nothing)

    def object_mask(self, index: int, number: int) -> None:
        """Return nothing: there are no objects."""

    def contents(self, index: int) -> bytes:
        """Return the bytes of one file."""
        return self._files.contents(index)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and modification times of the files."""
        return self._files.fingerprint()

    def listing(self) -> str:
        """Return a hash of the names and sizes of the files."""
        return self._files.listing()

    def origin(self) -> str:
        """Return where the files lie and when they last changed, hashed."""
        return self._files.origin()

    def check_unchanged(self) -> None:
        """Refuse to go on where a file has changed since `fingerprint` was first asked for."""
        self._files.check_unchanged()


def _size(path: Path) -> tuple[int, int]:
    try:
        return image_size(path)
    except BadImageError:
        return UNKNOWN
