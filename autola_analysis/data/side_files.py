"""Which image a file beside the images belongs to: by relative path, and by no name that fits several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

from autola_analysis.core.errors import DataError
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import Subset

T = TypeVar("T")
Parts = tuple[str, ...]


def beside_images(source: ImageSource, entries: Mapping[str, T], what: str) -> dict[str, T]:
    """Return what belongs to each image of a source, by its id.

    A name and an id belong together where one is the end of the other, folder by folder, with or without the suffix of
    the image's file: ``cat/000`` and ``photos/cat/000.jpg``, and ``000`` alone where no other image is called so. Of
    several images that a name fits, it is that of the image whose whole id it is.

    Args:
        source: The images; a part of a source is seen with the whole, so that a sample hides no second image.
        entries: What belongs to images, by the path of an image or of its side file.
        what: What that is, in the singular, for messages.

    Raises:
        DataError: If a name fits several images, or an image several names; the message has two of them.
    """
    names = {_parts(name): name for name in entries}
    ends: dict[Parts, list[str]] = defaultdict(list)
    for parts, name in names.items():
        for start in range(1, len(parts)):
            ends[parts[start:]].append(name)
    claims: dict[str, list[str]] = defaultdict(list)
    for image in _whole(source).ids:
        fitting = _name_of(image, names, ends, what)
        if fitting is not None:
            claims[fitting].append(image)
    found = {}
    for name, images in claims.items():
        exact = [image for image in images if _parts(name) in _forms(image)]
        if len(images) > 1 and len(exact) != 1:
            raise DataError(
                f"the {what} {name!r} fits the images {images[0]!r} and {images[1]!r}; name it by the image's path."
            )
        found[exact[0] if len(images) > 1 else images[0]] = entries[name]
    return {image: found[image] for image in source.ids if image in found}


def _name_of(image: str, names: Mapping[Parts, str], ends: Mapping[Parts, Sequence[str]], what: str) -> str | None:
    """Return the name that fits an image best: the longest that its id ends in, else the one that ends in its id."""
    forms = _forms(image)
    for length in range(len(forms[0]), 0, -1):
        for form in forms:
            if form[-length:] in names:
                return names[form[-length:]]
    longer = [name for form in forms for name in ends.get(form, ())]
    if len(longer) > 1:
        raise DataError(f"the image {image!r} fits the {what} {longer[0]!r} and {longer[1]!r}; give its whole path.")
    return longer[0] if longer else None


def _forms(image: str) -> list[Parts]:
    """Return the parts of an image's path, with the suffix and without."""
    parts = _parts(image)
    return [parts, (*parts[:-1], PurePosixPath(parts[-1]).stem)] if parts else [parts]


def _parts(name: str) -> Parts:
    return tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "."))


def _whole(source: ImageSource) -> ImageSource:
    while isinstance(source, Subset):
        source = source.source
    return source
