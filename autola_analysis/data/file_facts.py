"""What the file system says of image files, taken once for a run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from autola_analysis.core.errors import BadImageError, DataError
from autola_analysis.data.decoding import bad_image
from autola_analysis.data.source import hash_of


class FileFacts:
    """Hashes of what some image files are and of where they lie, as they were when this was made; none is opened.

    Attributes:
        listing: Of names and sizes.
        fingerprint: Of names, sizes and times of modification.
        origin: Of where they lie, and of the times when their contents, names or rights last changed.

    Args:
        label: What the fingerprint begins with.
        place: Where the files lie, for the origin and for messages.
        files: Name and path of each.

    Raises:
        BadImageError: If a file has gone.
    """

    def __init__(self, label: str, place: str, files: Iterable[tuple[str, str]]) -> None:
        self._label, self._place, self._files = label, place, files
        self.listing, self.fingerprint, self.origin = self._taken()

    def check_unchanged(self) -> None:
        """Refuse to go on where a file has another size or time.

        Raises:
            DataError: Saying where the files lie.
        """
        try:
            same = self._taken() == (self.listing, self.fingerprint, self.origin)
        except BadImageError as error:
            raise DataError(f"the images in {self._place} changed while they were read: {error}") from error
        if not same:
            raise DataError(
                f"the images in {self._place} changed while they were read, so that no number belongs to one state of "
                "them; run the analysis again when nothing writes there."
            )

    def _taken(self) -> tuple[str, str, str]:
        listed = hashlib.sha256()
        changed = hashlib.sha256(os.fsencode(os.path.abspath(self._place)))  # noqa: PTH100  resolve() follows links
        fingerprint = hash_of(self._label, *self._described(listed, changed))
        return listed.hexdigest(), fingerprint, changed.hexdigest()

    def _described(self, listed: hashlib._Hash, changed: hashlib._Hash) -> Iterator[bytes]:
        for name, path in self._files:
            try:
                facts = os.stat(path) if os.path.exists(path) else os.lstat(path)  # noqa: PTH110, PTH116  for speed
            except OSError as error:
                raise bad_image(Path(path), str(error.strerror).lower()) from error
            changed.update(f"{facts.st_ctime_ns} ".encode())
            line = os.fsencode(name) + f" {facts.st_size}".encode()
            listed.update(line + b"\0")
            yield line + f" {facts.st_mtime_ns}".encode()
