"""Small versions of images, kept once per report and shown wherever the page mentions an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.progress import progress_bar
from autola_analysis.core.results import Arrays, has_arrays, read_arrays, write_arrays
from autola_analysis.data.source import ImageSource, Source

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
        jpegs: Contents of a JPEG file for each.
        titles: Names of their classes; empty where they have none.
        groups: Per group, which may be of data of its own, the place of every image by its name.
    """

    jpegs: tuple[bytes, ...] = ()
    titles: tuple[str, ...] = ()
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def places(self, group: str) -> Mapping[str, int]:
        """Return the place of every image of a group by its name; none where there is no such group."""
        return self.groups.get(group, {})


def source_thumbnails(source: Source, numbers: Sequence[int], quiet: bool = False) -> Iterator[Thumbnail]:
    """Decode the images with the given numbers, with a progress bar unless `quiet`."""
    names = source.class_names
    with progress_bar(len(numbers), "thumbnails", quiet=quiet) as bar:
        for number in numbers:
            label = int(source.labels[number]) if isinstance(source, ImageSource) else -1
            title = names[label] if 0 <= label < len(names) else ""
            yield Thumbnail(source.ids[number], title, np.asarray(source.image(number).convert("RGB")))
            bar.update()


def write_thumbnails(directory: Path, groups: Mapping[str, Iterable[Thumbnail]]) -> None:
    """Write ``arrays/thumbnails.npz``: JPEG files, equal ones once, the longer side at most 64 pixels.

    Args:
        directory: The report under construction.
        groups: Images that each analysis shows, by its name; the same name may mean different images of two analyses.
    """
    kept: dict[tuple[str, bytes], int] = {}
    places = {
        group: {image.id: kept.setdefault((image.title, _jpeg(image.pixels)), len(kept)) for image in images}
        for group, images in groups.items()
    }
    arrays = {
        "titles": np.array([title for title, _ in kept], dtype=str),
        "bytes": np.frombuffer(b"".join(jpeg for _, jpeg in kept), dtype=np.uint8),
        "lengths": np.array([len(jpeg) for _, jpeg in kept], dtype=np.int64),
    }
    write_arrays(directory, "thumbnails", Arrays(arrays, {"side": SIDE, "quality": QUALITY, "groups": places}))


def read_thumbnails(directory: Path) -> Thumbnails:
    """Read what `write_thumbnails` wrote; none where a report has no thumbnails."""
    if not has_arrays(directory, "thumbnails"):
        return Thumbnails()
    stored = read_arrays(directory, "thumbnails")
    arrays = stored.values
    contents = arrays["bytes"].tobytes()
    ends = zip(arrays["lengths"].cumsum(), arrays["lengths"], strict=True)
    jpegs = tuple(contents[end - length : end] for end, length in ends)
    return Thumbnails(jpegs, tuple(arrays["titles"].tolist()), stored.about["groups"])


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()
