"""cluttered-scenes: one to four handwritten digits on a photograph among clutter, each with its exact mask.

The embedded data set of objects: made from what scikit-learn carries, as ClutteredDigits is. Train and test share no
digit scan and no photograph area.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.objects import Objects
from autola_analysis.data.cluttered_digits import (
    BACKGROUND_BRIGHTNESS,
    INK,
    SPLITS,
    Array,
    Split,
    contrasting_colour,
    resized,
    scans,
)
from autola_analysis.data.embedded_scenes import KEPT_SCENES, EmbeddedScenes, box_of, part_of_photograph
from autola_analysis.data.scene import Sprite

VERSION = 1
"""Raise it whenever a pixel of any image changes: it is part of the fingerprint."""
STREAM = 2
"""Tells the random numbers of these images from those of ClutteredDigits"""
SIDE = 160
"""Of an image, in pixels"""
DEFAULT_LENGTH = {"train": 3_000, "test": 1_000}
MOST_DIGITS = 4
DIGIT_SIDES = (24, 56)  # of the whole 8x8 scan, inclusive
CROP_SIDES = (96, 240)  # of the photograph that is stretched to an image
FRAGMENTS = 6
FRAGMENT_SIDES = (12, 28)
PAIRED = 0.3
"""Share of scenes with several digits in which one class occurs twice, which tells an object from its class"""
OVERLAP = 0.15
"""Largest IoU of the boxes of two digits"""
VISIBLE = 0.5
"""Least share of a digit's stroke that later digits leave visible"""


@dataclass(frozen=True)
class DigitScene:
    """One image of cluttered-scenes.

    Attributes:
        pixels: uint8 ``(160, 160, 3)``.
        masks: Visible stroke of every digit, ``(n, 160, 160)``.
        labels: The digits, ``(n,)``.
    """

    pixels: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    labels: NDArray[np.int64]


@lru_cache(KEPT_SCENES)
def make_digit_scene(seed: int, split: Split, index: int) -> DigitScene:
    """Make image `index` of a split, a pure function of its arguments.

    Args:
        seed: Of the whole data set.
        split: "train" or "test".
        index: Of the image.
    """
    generator = np.random.default_rng([STREAM, VERSION, seed, SPLITS.index(split), index])
    canvas = part_of_photograph(split, CROP_SIDES, (SIDE, SIDE), generator) * BACKGROUND_BRIGHTNESS
    inks, classes = scans(split)
    for _ in range(FRAGMENTS):
        scan = inks[generator.integers(len(inks))]
        row, column = generator.integers(0, 5, 2)
        ink = resized(scan[row : row + 4, column : column + 4], int(generator.integers(*FRAGMENT_SIDES, endpoint=True)))
        top, left = generator.integers(SIDE - len(ink) + 1, size=2)
        Sprite(ink, generator.uniform(0, 255, 3), int(top), int(left)).paint(canvas)
    labels = _labels(generator)
    masks, areas = np.zeros((0, SIDE, SIDE), dtype=np.bool_), np.zeros(0)
    for label in labels:
        scan = inks[generator.choice(np.flatnonzero(classes == label))]
        ink, top, left, mask = _placed(scan, masks, areas, generator)
        Sprite(ink, contrasting_colour(canvas[mask], generator), top, left).paint(canvas)
        masks, areas = np.concatenate([masks & ~mask, mask[None]]), np.append(areas, mask.sum())
    pixels = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    for array in (pixels, masks, labels):
        array.flags.writeable = False  # scenes are remembered
    return DigitScene(pixels, masks, labels)


def _labels(generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw the digits of a scene: 1 to 4, all different, or two of them the same."""
    labels = generator.permutation(10)[: generator.integers(1, MOST_DIGITS, endpoint=True)].astype(np.int64)
    if len(labels) > 1 and generator.random() < PAIRED:
        labels[1] = labels[0]
    return labels


def _placed(
    scan: Array, earlier: NDArray[np.bool_], areas: Array, generator: np.random.Generator
) -> tuple[Array, int, int, NDArray[np.bool_]]:
    """Draw a size and a place until the digit leaves enough of every earlier one visible.

    Args:
        scan: Of the digit.
        earlier: What is visible of the digits before it, ``(n, 160, 160)``.
        areas: Of their whole strokes, ``(n,)``.
        generator: Of random numbers.

    Returns:
        The digit at its size, its top and left, and its stroke in the image.
    """
    while True:
        ink = resized(scan, int(generator.integers(*DIGIT_SIDES, endpoint=True)))
        top, left = (int(value) for value in generator.integers(SIDE - len(ink) + 1, size=2))
        mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
        mask[top : top + len(ink), left : left + len(ink)] = ink >= INK
        apart = all(_overlap(box_of(mask), box_of(other)) <= OVERLAP for other in earlier)
        if apart and ((earlier & ~mask).sum((1, 2)) >= VISIBLE * areas).all():
            return ink, top, left, mask


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the IoU of two boxes."""
    sides = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    both = sides.prod()
    return float(both / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - both))


class ClutteredScenes(EmbeddedScenes[DigitScene]):
    """The data set as a source of objects, see `EmbeddedScenes`."""

    name = "cluttered-scenes"
    classes = tuple(str(digit) for digit in range(10))
    category_ids = tuple(range(1, 11))
    version, lengths, size = VERSION, DEFAULT_LENGTH, (SIDE, SIDE)

    def scene(self, index: int) -> DigitScene:
        """Return pixels, masks and labels of one image."""
        return make_digit_scene(self.seed, self.split, index)

    def objects(self, index: int) -> Objects:
        """Return the digits of one image; boxes and areas are those of what is visible."""
        scene = self.scene(index)
        count = len(scene.labels)
        return Objects(
            np.stack([box_of(mask) for mask in scene.masks]),
            scene.labels,
            scene.masks.sum((1, 2)).astype(np.float64),
            np.zeros(count, dtype=np.bool_),
            (MOST_DIGITS * index + np.arange(1, count + 1)).astype(np.int64),
        )
