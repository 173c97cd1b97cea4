"""Images in files: finding them one folder per class, reading them, and a fingerprint without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from autola_analysis.core.errors import DataError
from autola_analysis.core.text import printable
from autola_analysis.data.decoding import bad_image
from autola_analysis.data.file_facts import FileFacts
from autola_analysis.data.file_source import FileSource
from autola_analysis.data.source import IntArray

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")


class FileImageSource(FileSource):
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
            BadImageError: If the file cannot be read or decoded to its end, or its name is no text.
        """
        if not _is_text(self.ids[index]):
            raise bad_image(self.path(index), "its name is no UTF-8 text, so no table can show it; rename it")
        return super().image(index)

    def file(self, index: int) -> bytes | None:
        """Return the bytes of one file; None where `image` refuses its name."""
        return super().file(index) if _is_text(self.ids[index]) else None

    @cached_property
    def facts(self) -> FileFacts:
        """What the file system says of the files, taken once."""
        return FileFacts(self.split, os.fspath(self.root), _Paths(self.root, self.ids))


class _Paths:
    """Names and paths of files, as often as they are asked for; a list of paths would double the memory.

    Args:
        root: The folder.
        names: Relative to it.
    """

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self._root, self._names = os.fspath(root), names

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, os.path.join(self._root, name)) for name in self._names)  # noqa: PTH118  a Path takes twice as long


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
        DataError: If a folder holds no image or cannot be listed, or two hold the same folder by a link.
    """
    names: list[str] = []
    counts = []
    of_class: dict[str, str] = {}
    for folder in folders:
        seen = {os.path.realpath(root)}
        found = sorted(_images_below(root / folder, f"{folder}/", seen))
        for place in sorted(seen & of_class.keys()):
            raise DataError(
                f"the class folders {root / of_class[place]} and {root / folder} hold the same folder {place} by a "
                "link, so that its images would count as both classes; remove the link."
            )
        of_class |= dict.fromkeys(seen - {os.path.realpath(root)}, folder)
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
