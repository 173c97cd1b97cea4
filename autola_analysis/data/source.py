"""Sources: undecoded images by index, with what is known of them before the first is read."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.text import apart
from autola_analysis.data.bad_boxes import NO_CHANGES, BoxChanges
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.scene import Scene

IntArray = NDArray[np.int64]


class Source(ABC):
    """Images addressed by index; decoding happens in `image` and nowhere else.

    Attributes:
        name: How a user would ask for it ("cifar10", "folder:/data/birds", "coco:/data/coco").
        split: Which part it is ("test", "val", "train").
        classes: Class names; a label is an index into them.
        ids: Name of every image, unique and stable between runs, length N.
        preprocessing: The source's customary preprocessing; None where it has none of its own.
        contents_hash: What `hash_contents` gave before the images were used; None where that was not asked for.
        box_changes: What reading has done with bad boxes of its annotations, where it has some.
        compared: Whether all processes that share the run are known to have the same contents.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    ids: Sequence[str]
    preprocessing: Preprocessing | None = None
    contents_hash: str | None = None
    box_changes: BoxChanges = NO_CHANGES
    compared: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, no two alike: where `classes` repeats a name, its number stands behind it."""
        return apart(self.classes)

    @abstractmethod
    def image(self, index: int) -> Image.Image:
        """Decode one image.

        Raises:
            BadImageError: If it cannot be decoded; the error names its path.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash that changes when images or what is known of them do, without decoding any."""

    def listing(self) -> str:
        """Return a hash as `fingerprint` without times, which copies on several machines have in common."""
        return self.fingerprint()

    def origin(self) -> str:
        """Return where the images lie and when they last changed, hashed; "" where they are made or held in memory."""
        return ""

    def address(self) -> str:
        """Return a hash that names the images for a cache on this machine: what, where, when changed, contents."""
        return hash_of(self.fingerprint(), self.origin(), self.contents_hash or "")

    def check_unchanged(self) -> None:  # noqa: B027  images that are made do not change
        """Refuse to go on where images have changed since `fingerprint` was first asked for.

        Raises:
            DataError: If one has another size or time, or is gone.
        """

    def contents(self, index: int) -> bytes:
        """Return image `index` as it is stored: the bytes of its file, or of its pixels where it has no file.

        Raises:
            BadImageError: If it cannot be read.
        """
        image = self.image(index)
        return f"{image.mode} {image.size} ".encode() + image.tobytes()

    def file(self, index: int) -> bytes | None:
        """Return the file that `image` decodes; None where an image has no file of its own, or is a part of one.

        Raises:
            BadImageError: If it cannot be read.
        """
        return None

    @abstractmethod
    def known(self) -> bytes:
        """Return what is known of the images, labels or objects, as bytes."""

    def hash_contents(self) -> str:
        """Return a hash of every image and what is known of it: what ``--hash-data`` asks for; reads all images."""
        digest = hashlib.sha256(self.known())
        for index in range(len(self)):
            digest.update(hash_of(os.fsencode(self.ids[index]), self.contents(index)).encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.ids)


class ImageSource(Source):
    """Images with one label each.

    Attributes:
        labels: Label of every image, shape ``(N,)``.
    """

    labels: IntArray

    def mask(self, index: int) -> NDArray[np.bool_] | None:
        """Return where the object of image `index` is, shape ``(H, W)``; None where that is not known."""
        return None

    def scene(self, index: int) -> Scene | None:
        """Return image `index` as the parts it was made of; None for a source that has only the finished image."""
        return None

    def known(self) -> bytes:
        """Return the labels as bytes."""
        return self.labels.astype("<i8").tobytes()

    def __len__(self) -> int:
        return len(self.labels)


def hash_of(*parts: str | bytes) -> str:
    """Return the sha256 of the parts in order, each ended so that ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
