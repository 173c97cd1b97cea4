"""What the embedded data sets of objects share: images made on the spot, with exact masks, on parts of photographs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.errors import OptionError
from autola_analysis.data.cluttered_digits import SPLITS, Array, Split, photographs
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import hash_of

KEPT_SCENES = 1_024
"""Made scenes that are remembered, a test split whole, in up to 190 MB: several analyses read the same images one after
the other, and making one takes 6 to 31 ms"""


class MadeScene(Protocol):
    """One image with its objects."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """``(H, W, 3)``."""

    @property
    def masks(self) -> NDArray[np.bool_]:
        """What is visible of every object, ``(n, H, W)``."""


SceneT = TypeVar("SceneT", bound=MadeScene)


class EmbeddedScenes(ObjectSource, Generic[SceneT]):
    """A source of images that are made on the spot, each a pure function of seed, split and number.

    Args:
        split: "train" or "test".
        length: Number of images; None for the usual number of the split.
        seed: Of the whole data set.

    Attributes:
        version: Is raised whenever a pixel of any image changes: it is part of the fingerprint.
        lengths: Usual number of images by split.
        size: Width and height of the images.

    Raises:
        OptionError: If the split is not known, or the length is below 1.
    """

    version: ClassVar[int]
    lengths: ClassVar[Mapping[str, int]]
    size: ClassVar[tuple[int, int]]

    def __init__(self, split: str = "test", length: int | None = None, seed: int = 0) -> None:
        if split not in SPLITS:
            raise OptionError(f"{self.name} has the splits {' and '.join(SPLITS)}; found {split!r}.")
        length = self.lengths[split] if length is None else length
        if length < 1:
            raise OptionError(f"{self.name} needs length >= 1; found {length}.")
        self.split: Split = split
        self.seed = seed
        self.ids = [f"{split}/{index:06d}" for index in range(length)]
        self.image_ids = np.arange(1, length + 1)
        self.sizes = np.tile(np.array([self.size], dtype=np.int64), (length, 1))

    @abstractmethod
    def scene(self, index: int) -> SceneT:
        """Return pixels and objects of one image."""

    def image(self, index: int) -> Image.Image:
        """Return one image."""
        return Image.fromarray(self.scene(index).pixels)

    def object_mask(self, index: int, number: int) -> NDArray[np.bool_]:
        """Return what is visible of an object, ``(H, W)``."""
        return self.scene(index).masks[number]

    def fingerprint(self) -> str:
        """Return a hash of everything the pixels depend on."""
        return hash_of(f"{self.name} {self.version} {self.split} {self.seed} {len(self)}")


def part_of_photograph(
    split: Split, widths: tuple[int, int], size: tuple[int, int], generator: np.random.Generator
) -> Array:
    """Return a part of a photograph of the split, mirrored at random, ``(H, W, 3)``.

    Args:
        split: Whose photographs.
        widths: Least and largest width of the part, in pixels of the photograph.
        size: Width and height that it is brought to.
        generator: Of random numbers.
    """
    photograph = photographs(split)[generator.integers(2)]
    width = int(generator.integers(*widths, endpoint=True))
    height = width * size[1] // size[0]
    left = int(generator.integers(photograph.width - width + 1))
    top = int(generator.integers(photograph.height - height + 1))
    crop = photograph.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.BILINEAR)
    canvas = np.asarray(crop, dtype=np.float64)
    return canvas[:, ::-1].copy() if generator.integers(2) else canvas


def box_of(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the tight box around a mask, x1, y1, x2, y2."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
