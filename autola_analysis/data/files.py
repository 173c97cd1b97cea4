"""Images in files: finding them one folder per class, reading them, and a fingerprint without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from autola_analysis.core.errors import DataError
from autola_analysis.core.reading import read_bytes
from autola_analysis.core.text import printable
from autola_analysis.data.decoding import bad_image, read_image
from autola_analysis.data.source import ImageSource, IntArray, hash_of

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")


class FileImageSource(ImageSource):
    """A source whose images are files below one folder; `ids` are their paths relative to it, with forward slashes.

    Attributes:
        root: The folder that holds one folder per class.
    """

    root: Path
    ids: Sequence[str]

    def path(self, index: int) -> Path:
        """Return the file of one image."""
        return self.root / self.ids[index]

    def image(self, index: int) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            BadImageError: If the file cannot be read or decoded to its end.
        """
        if not _is_text(self.ids[index]):
            raise bad_image(self.path(index), "its name is no UTF-8 text, so no table can show it; rename it")
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

    def fingerprint(self) -> str:
        """Return a hash of the sorted names, sizes and modification times of the files; none is opened.

        Raises:
            BadImageError: If a file has gone since the source was made.
        """
        return hash_of(self.split, *self._file_facts())

    def _file_facts(self) -> Iterator[bytes]:
        root = os.fspath(self.root)
        for name in self.ids:
            path = os.path.join(root, name)  # noqa: PTH118  a Path per file doubles the time
            try:
                facts = os.stat(path) if os.path.exists(path) else os.lstat(path)  # noqa: PTH110, PTH116
            except OSError as error:
                raise bad_image(self.root / name, str(error.strerror).lower()) from error
            yield os.fsencode(name) + f" {facts.st_size} {facts.st_mtime_ns}".encode()


def class_folders(root: Path) -> list[str]:
    """Return the sorted names of the folders directly in `root`, hidden ones left out.

    Raises:
        DataError: If `root` is not a folder or holds no folder.
    """
    if not _is_text(str(root)):
        raise DataError(f"the path {printable(str(root))} is no UTF-8 text, so no page can show it; rename the folder.")
    if not root.is_dir():
        found = "found a file" if root.exists() else "there is nothing there"
        raise DataError(f"{root} must be a folder with one folder of images per class, but {found}; check the path.")
    folders, images = [], 0
    for entry in _scan(root):
        if _is_folder(entry):
            folders.append(entry.name)
        elif _is_dangling(entry) and not _has_image_suffix(entry):
            raise DataError(
                f"{root / printable(entry.name)} is a link to nothing; restore what it points to, or remove it."
            )
        else:
            images += _is_image(entry)
    for name in folders:
        if not name.isprintable():
            raise DataError(f"the folder {name!a} in {root} cannot name a class; rename it, in printable characters.")
    if folders:
        return sorted(folders)
    if images:
        raise DataError(
            f"{root} needs one folder per class, but holds {images} images and no folder; "
            f"move the images of each class to a folder of its own, {root / 'CLASS'}."
        )
    raise DataError(f"{root} needs one folder of images per class, but holds no folder; check the path.")


def images_by_folder(root: Path, folders: Sequence[str]) -> tuple[list[str], IntArray]:
    """Find the images of each class folder, nested ones included, in one pass that opens no file.

    Args:
        root: The folder that holds the class folders.
        folders: Their names.

    Returns:
        The names of the image files relative to `root`, sorted within each folder, and for each of them the position
        of its folder in `folders`.

    Raises:
        DataError: If a folder holds no image or cannot be listed.
    """
    names: list[str] = []
    counts = []
    for folder in folders:
        found = sorted(_images_below(root / folder, f"{folder}/", {os.path.realpath(root)}))
        if not found:
            raise DataError(
                f"class folder {root / folder} holds no image ({', '.join(IMAGE_SUFFIXES)}); "
                "remove the folder or put the images of its class there."
            )
        names += found
        counts.append(len(found))
    return names, np.repeat(np.arange(len(folders), dtype=np.int64), counts)


def _images_below(folder: Path, prefix: str, seen: set[str]) -> Iterator[str]:
    here = os.path.realpath(folder)
    if here in seen:  # links between folders would be followed for ever, or along every way through them
        return
    seen.add(here)
    for entry in sorted(_scan(folder), key=lambda entry: entry.name):
        if _is_folder(entry):
            yield from _images_below(folder / entry.name, f"{prefix}{entry.name}/", seen)
        elif _is_image(entry):
            yield prefix + entry.name


def is_left_out(name: str) -> bool:
    """Return whether a file or folder of a name is none of the user's: hidden, or what macOS adds to archives."""
    return name.startswith(".") or name == "__MACOSX"


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a folder, without what `is_left_out`."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_left_out(entry.name):
                    yield entry
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); check its permissions.") from error


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is meant as an image; one that has gone is, so that its absence is noticed."""
    return _has_image_suffix(entry) and (_is_dangling(entry) or entry.is_file())


def _has_image_suffix(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(IMAGE_SUFFIXES)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return not _is_dangling(entry) and entry.is_dir()


def _is_dangling(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a link to nothing or to itself."""
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110  as above, for folders full of links
