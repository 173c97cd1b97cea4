"""Sources whose images are files: their bytes, and what the file system says of them."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from PIL import Image

from autola_analysis.core.reading import read_bytes
from autola_analysis.data.decoding import bad_image, read_image
from autola_analysis.data.file_facts import FileFacts
from autola_analysis.data.source import ImageSource


class FileSource(ImageSource):
    """A source that knows the file of every image."""

    @abstractmethod
    def path(self, index: int) -> Path:
        """Return the file of one image."""

    @property
    @abstractmethod
    def facts(self) -> FileFacts:
        """What the file system says of the files, taken once."""

    def image(self, index: int) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            BadImageError: If the file cannot be read or decoded to its end.
        """
        return read_image(self.path(index))

    def contents(self, index: int) -> bytes:
        """Return the bytes of one file.

        Raises:
            BadImageError: If it cannot be read.
        """
        try:
            return read_bytes(self.path(index))
        except OSError as error:
            raise bad_image(self.path(index), str(error.strerror).lower()) from error

    def file(self, index: int) -> bytes | None:
        """Return the bytes of one file.

        Raises:
            BadImageError: If it cannot be read.
        """
        return self.contents(index)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and modification times of the files, taken once; none is opened.

        Raises:
            BadImageError: If a file has gone since the source was made.
        """
        return self.facts.fingerprint

    def listing(self) -> str:
        """Return a hash of the names and sizes of the files."""
        return self.facts.listing

    def origin(self) -> str:
        """Return a hash of where the files lie and of the times when their contents, names or rights last changed."""
        return self.facts.origin

    def check_unchanged(self) -> None:
        """Refuse to go on where a file has another size or time than when `fingerprint` was first asked for."""
        self.facts.check_unchanged()
