"""ClutteredDigits: handwritten digits on photographs among clutter, with the exact mask of every digit.

Made from what scikit-learn carries (1,797 digit scans, two photographs), so that any installation has real-pixel
images with known object masks and no download. Train and test share no digit scan and no photograph area.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.errors import OptionError
from autola_analysis.data.preprocessing import NO_STATISTICS
from autola_analysis.data.scene import Scene, Sprite
from autola_analysis.data.source import ImageSource, hash_of

VERSION = 1
"""Raise it whenever a pixel of any image changes: it is part of the fingerprint."""

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
DEFAULT_LENGTH = {"train": 12_000, "test": 2_000}

DIGIT_SIDES = (14, 24)  # of the whole 8x8 scan in a 32-pixel image, inclusive
FRAGMENT_SIDES = (6, 11)
CROP_SIDES = (32, 128)
FRAGMENTS = 3
BACKGROUND_BRIGHTNESS = 0.8
MINIMUM_CONTRAST = 70.0  # grey levels between a digit's mean and the mean of the patch it covers
INK = 0.5  # share of full ink from which a pixel counts as stroke

Array = NDArray[np.float64]


@cache
def scans(split: Split) -> tuple[Array, NDArray[np.int64]]:
    """Return the digit scans of a split, the share of ink of every pixel ``(N, 8, 8)``, and their labels."""
    from sklearn.datasets import load_digits  # here, since it is a fifth of the time that a command takes to start

    digits = load_digits()
    test = np.arange(len(digits.target)) % 5 == 4
    chosen = test if split == "test" else ~test
    return digits.images[chosen] / 16.0, digits.target[chosen].astype(np.int64)


@cache
def photographs(split: Split) -> tuple[Image.Image, ...]:
    """Return the halves of the two photographs that belong to a split."""
    from sklearn.datasets import load_sample_images

    halves = []
    for photograph in load_sample_images().images:
        middle = photograph.shape[1] // 2
        half = photograph[:, :middle] if split == "train" else photograph[:, middle:]
        halves.append(Image.fromarray(half))
    return tuple(halves)


def resized(scan: Array, side: int) -> Array:
    """Return a scan at another size, ``(side, side)``."""
    image = Image.fromarray((scan * 255).astype(np.uint8))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64) / 255


def contrasting_colour(covered: Array, generator: np.random.Generator) -> Array:
    """Draw a colour whose mean differs from the covered pixels' by at least `MINIMUM_CONTRAST` grey levels."""
    background = covered.mean()
    while True:
        colour = generator.uniform(0, 255, 3)
        if abs(colour.mean() - background) >= MINIMUM_CONTRAST:
            return colour


@dataclass(frozen=True)
class DigitImage:
    """One image of ClutteredDigits.

    Attributes:
        pixels: uint8 ``(size, size, 3)``.
        mask: True on the digit's stroke, ``(size, size)``.
        label: The digit, 0 to 9.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    label: int


def _background(split: Split, size: int, generator: np.random.Generator) -> Array:
    photograph = photographs(split)[generator.integers(2)]
    side = int(generator.integers(CROP_SIDES[0], CROP_SIDES[1] + 1))
    left = int(generator.integers(photograph.width - side + 1))
    top = int(generator.integers(photograph.height - side + 1))
    crop = photograph.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
    canvas = np.asarray(crop, dtype=np.float64) * BACKGROUND_BRIGHTNESS
    return canvas[:, ::-1].copy() if generator.integers(2) else canvas


def _place(size: int, side: int, generator: np.random.Generator) -> tuple[int, int]:
    return int(generator.integers(size - side + 1)), int(generator.integers(size - side + 1))


def make_scene(seed: int, split: Split, index: int, size: int = 32) -> Scene:
    """Make image `index` of a split in parts, a pure function of its arguments: photograph, fragments, digit.

    Args:
        seed: Of the whole data set.
        split: "train" or "test".
        index: Of the image.
        size: Side of the image in pixels.
    """
    samples, labels = scans(split)
    generator = np.random.default_rng([VERSION, seed, SPLITS.index(split), index])
    label = index % 10
    backdrop = _background(split, size, generator)
    fragments = []
    for _ in range(FRAGMENTS):
        scan = samples[generator.choice(np.flatnonzero(labels != label))]
        side = _scaled(generator.integers(FRAGMENT_SIDES[0], FRAGMENT_SIDES[1] + 1), size)
        row, column = generator.integers(0, 5, 2)
        ink = resized(scan[row : row + 4, column : column + 4], side)
        top, left = _place(size, side, generator)
        fragments.append(Sprite(ink, generator.uniform(0, 255, 3), top, left))
    scan = samples[generator.choice(np.flatnonzero(labels == label))]
    ink = resized(scan, _scaled(generator.integers(DIGIT_SIDES[0], DIGIT_SIDES[1] + 1), size))
    top, left = _place(size, len(ink), generator)
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + ink.shape[0], left : left + ink.shape[1]] = ink >= INK
    canvas = backdrop.copy()
    for fragment in fragments:
        fragment.paint(canvas)
    colour = contrasting_colour(canvas[mask], generator)
    return Scene(backdrop, tuple(fragments), Sprite(ink, colour, top, left), mask)


def make_image(seed: int, split: Split, index: int, size: int = 32) -> DigitImage:
    """Make image `index` of a split: the parts of `make_scene`, which takes the same arguments, put together."""
    scene = make_scene(seed, split, index, size)
    return DigitImage(scene.image(), scene.mask, index % 10)


def _scaled(side: int | np.integer, size: int) -> int:
    return round(int(side) * size / 32)


class ClutteredDigits(ImageSource):
    """The data set as an image source.

    Args:
        split: "train" or "test".
        length: Number of images; the classes take turns, so every prefix of a multiple of ten is balanced.
        seed: Of the whole data set.
        size: Side of the images in pixels.

    Raises:
        OptionError: If the split is not known, or length or size is too small.
    """

    name = "cluttered-digits"
    classes = tuple(str(digit) for digit in range(10))
    preprocessing = NO_STATISTICS

    def __init__(self, split: str = "test", length: int | None = None, seed: int = 0, size: int = 32) -> None:
        if split not in SPLITS:
            raise OptionError(f"cluttered-digits has the splits {' and '.join(SPLITS)}; found {split!r}.")
        length = DEFAULT_LENGTH[split] if length is None else length
        if length < 1 or size < 16:
            raise OptionError(f"cluttered-digits needs length >= 1 and size >= 16; found {length} and {size}.")
        self.split: Split = split
        self.seed = seed
        self.size = size
        self.labels = np.arange(length, dtype=np.int64) % 10
        self.ids = [f"{split}/{index:06d}" for index in range(length)]

    def item(self, index: int) -> DigitImage:
        """Return pixels, mask and label of one image."""
        return make_image(self.seed, self.split, index, self.size)

    def image(self, index: int) -> Image.Image:
        """Return one image."""
        return Image.fromarray(self.item(index).pixels)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return where the digit's stroke is, ``(size, size)``."""
        return self.item(index).mask

    def scene(self, index: int) -> Scene:
        """Return one image as its photograph, its fragments of other digits, and its digit."""
        return make_scene(self.seed, self.split, index, self.size)

    def fingerprint(self) -> str:
        """Return a hash of everything the pixels depend on."""
        return hash_of(f"{self.name} {VERSION} {self.split} {self.seed} {self.size} {len(self)}")
