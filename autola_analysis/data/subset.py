"""A part of a source: a seeded sample, of images with labels one in which every class keeps its share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.errors import OptionError
from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.scene import Scene
from autola_analysis.data.source import ImageSource, IntArray, Source, hash_of

SourceT = TypeVar("SourceT", bound=Source)


class _Part(Source, Generic[SourceT]):
    """Some images of a source, in its order, with its classes.

    Args:
        source: Where the images come from.
        indices: Of the images in `source`, ascending.
    """

    def __init__(self, source: SourceT, indices: Sequence[int] | IntArray) -> None:
        self.source = source
        self.indices = np.asarray(indices, dtype=np.int64)
        self.name = source.name
        self.split = source.split
        self.classes = source.classes
        self.preprocessing = source.preprocessing
        self.contents_hash = source.contents_hash
        self.compared = source.compared
        self.ids = [source.ids[int(index)] for index in self.indices]

    def image(self, index: int) -> Image.Image:
        """Decode one image."""
        return self.source.image(int(self.indices[index]))

    def contents(self, index: int) -> bytes:
        """Return one image as the source stores it."""
        return self.source.contents(int(self.indices[index]))

    def file(self, index: int) -> bytes | None:
        """Return the file of one image, where the source has one."""
        return self.source.file(int(self.indices[index]))

    def fingerprint(self) -> str:
        """Return a hash of the source's own and of the chosen indices: the same images, however chosen, share it."""
        return self._with_choice(self.source.fingerprint())

    def listing(self) -> str:
        """Return the same of the source's listing."""
        return self._with_choice(self.source.listing())

    def origin(self) -> str:
        """Return the source's own."""
        return self.source.origin()

    def check_unchanged(self) -> None:
        """Check the source."""
        self.source.check_unchanged()

    def _with_choice(self, of_source: str) -> str:
        return hash_of(of_source, self.indices.astype("<i8").tobytes())


class Subset(_Part[ImageSource], ImageSource):
    """Some images of a source, in its order, with its classes and labels.

    Args:
        source: Where the images come from.
        indices: Of the images in `source`, ascending.
    """

    def __init__(self, source: ImageSource, indices: Sequence[int] | IntArray) -> None:
        super().__init__(source, indices)
        self.labels = source.labels[self.indices]

    def mask(self, index: int) -> NDArray[np.bool_] | None:
        """Return where the object of one image is, where the source knows."""
        return self.source.mask(int(self.indices[index]))

    def scene(self, index: int) -> Scene | None:
        """Return one image as the parts it was made of, where the source knows."""
        return self.source.scene(int(self.indices[index]))


class ObjectSubset(_Part[ObjectSource], ObjectSource):
    """Some images of a source of objects, in its order.

    Args:
        source: Where the images come from.
        indices: Of the images in `source`, ascending.
    """

    def __init__(self, source: ObjectSource, indices: Sequence[int] | IntArray) -> None:
        super().__init__(source, indices)
        self.category_ids = source.category_ids
        self.image_ids = source.image_ids[self.indices]
        self.sizes = source.sizes[self.indices]
        self.joints = source.joints

    def objects(self, index: int) -> Objects:
        """Return the objects of one image."""
        return self.source.objects(int(self.indices[index]))

    def object_mask(self, index: int, number: int) -> NDArray[np.bool_] | None:
        """Return where an object of one image is, where the source knows."""
        return self.source.object_mask(int(self.indices[index]), number)


def part_of(source: Source, indices: Sequence[int] | IntArray) -> Subset | ObjectSubset:
    """Return some images of a source of either kind.

    Args:
        source: Where the images come from.
        indices: Of the images in `source`, ascending.
    """
    if isinstance(source, ObjectSource):
        return ObjectSubset(source, indices)
    assert isinstance(source, ImageSource)
    return Subset(source, indices)


@overload
def limit(source: ImageSource, n: int, seed: int = ...) -> ImageSource: ...
@overload
def limit(source: ObjectSource, n: int, seed: int = ...) -> ObjectSource: ...
@overload
def limit(source: Source, n: int, seed: int = ...) -> Source: ...
def limit(source: Source, n: int, seed: int = 0) -> Source:
    """Return `n` images of a source drawn by seed; of images with labels, every class in proportion.

    Each class gets its share of `n` by largest remainders, and at least one image while `n` allows. Within a class,
    the images with the smallest hash of seed and id are taken, so that the sample depends neither on the order of the
    images nor on what lies beside them, as the first of a sorted folder would.

    Args:
        source: Where the images come from; returned as it is where it has no more than `n`.
        n: How many images to keep.
        seed: Of the sample.

    Raises:
        OptionError: If `n` is less than 1.
    """
    if n < 1:
        raise OptionError(f"--limit needs at least 1 image; found {n}.")
    if n >= len(source):
        return source
    if not isinstance(source, ImageSource):
        return part_of(source, np.sort(seeded_order(source.ids, seed)[:n]))
    present, counts = np.unique(source.labels, return_counts=True)
    known = len(source.classes)
    ties = seeded_order([f"class {source.classes[label] if 0 <= label < known else label}" for label in present], seed)
    shares = allocate(counts, n, ties)
    chosen = []
    for label, share in zip(present, shares, strict=True):
        members = np.flatnonzero(source.labels == label)
        chosen.append(members[seeded_order([source.ids[int(index)] for index in members], seed)[:share]])
    return Subset(source, np.sort(np.concatenate(chosen)))


def allocate(counts: IntArray, n: int, ties: IntArray) -> IntArray:
    """Divide `n` among classes in proportion to their sizes, by largest remainders, each at least 1 where possible.

    A class whose proportional share is below 1 gets 1; the rest is divided among the other classes, whose shares
    shrink by that, until none is below 1.

    Args:
        counts: Size of each class, at least 1, shape ``(K,)``.
        n: How many to divide, at most the sum of `counts`.
        ties: A permutation of the classes: of equal remainders, the class that comes first here is served first.

    Returns:
        The share of each class, shape ``(K,)``, at most its size.
    """
    shares = np.zeros_like(counts)
    open_classes = np.ones(len(counts), dtype=bool)
    if n >= len(counts):
        while True:
            rest, total = n - int(shares.sum()), int(counts[open_classes].sum())
            below_one = open_classes & (rest * counts < total)
            if not below_one.any():
                break
            shares[below_one] = 1
            open_classes &= ~below_one
    rest, total = n - int(shares.sum()), int(counts[open_classes].sum())
    shares[open_classes] = rest * counts[open_classes] // total
    remainders = np.where(open_classes, rest * counts % total, -1)
    by_remainder = ties[np.argsort(-remainders[ties], kind="stable")]
    shares[by_remainder[: n - int(shares.sum())]] += 1
    return shares


def seeded_order(names: Sequence[str], seed: int) -> IntArray:
    """Return the positions of the names in a seeded order that each name's place depends on by its hash alone."""
    key = str(seed).encode()
    hashes = [hashlib.blake2b(os.fsencode(name), digest_size=8, key=key).digest() for name in names]
    return np.argsort(np.frombuffer(b"".join(hashes), dtype=">u8"), kind="stable")
