"""Small versions of images, kept once per report and shown wherever the page mentions an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.data.source import ImageSource
from autola_analysis.report.arrays import has_arrays, read_arrays, write_arrays

SIDE = 64  # pixels of the longer side, at most
QUALITY = 85


@dataclass(frozen=True)
class Thumbnail:
    """An image to be kept small.

    Attributes:
        id: Name of the image in its data.
        title: Name of its class; empty where it has none.
        pixels: ``(H, W, 3)``, uint8, of any size.
    """

    id: str
    title: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Thumbnails:
    """The small images of a report.

    Attributes:
        ids: Names of the images in their data.
        titles: Names of their classes; empty where they have none.
        jpegs: Contents of a JPEG file for each.
    """

    ids: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    jpegs: tuple[bytes, ...] = ()

    def places(self) -> dict[str, int]:
        """Return the place of every image by its name."""
        return {name: place for place, name in enumerate(self.ids)}


def source_thumbnails(source: ImageSource, numbers: Iterable[int]) -> Iterator[Thumbnail]:
    """Decode the images with the given numbers."""
    for number in numbers:
        label = int(source.labels[number])
        title = source.classes[label] if 0 <= label < len(source.classes) else ""
        yield Thumbnail(source.ids[number], title, np.asarray(source.image(number).convert("RGB")))


def write_thumbnails(directory: Path, images: Iterable[Thumbnail]) -> None:
    """Write ``arrays/thumbnails.npz``: JPEG files, each image once, the longer side at most 64 pixels."""
    kept: dict[str, tuple[str, bytes]] = {}
    for image in images:
        if image.id not in kept:
            kept[image.id] = image.title, _jpeg(image.pixels)
    jpegs = [jpeg for _, jpeg in kept.values()]
    arrays = {
        "ids": np.array(list(kept), dtype=str),
        "titles": np.array([title for title, _ in kept.values()], dtype=str),
        "bytes": np.frombuffer(b"".join(jpegs), dtype=np.uint8),
        "lengths": np.array([len(jpeg) for jpeg in jpegs], dtype=np.int64),
    }
    write_arrays(directory, "thumbnails", arrays, {"side": SIDE, "quality": QUALITY})


def read_thumbnails(directory: Path) -> Thumbnails:
    """Read what `write_thumbnails` wrote; none where a report has no thumbnails."""
    if not has_arrays(directory, "thumbnails"):
        return Thumbnails()
    arrays, _ = read_arrays(directory, "thumbnails")
    ends = arrays["lengths"].cumsum()
    contents = arrays["bytes"].tobytes()
    return Thumbnails(
        ids=tuple(arrays["ids"].tolist()),
        titles=tuple(arrays["titles"].tolist()),
        jpegs=tuple(contents[end - length : end] for end, length in zip(ends, arrays["lengths"], strict=True)),
    )


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()
