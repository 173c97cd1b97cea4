"""digit-puppets: one or two jointed figures on a photograph among clutter, with joints and exact masks.

The embedded data set of keypoints: made from what scikit-learn carries, as ClutteredDigits is. Train and test share no
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
    SPLITS,
    Array,
    Split,
    contrasting_colour,
    resized,
    scans,
)
from autola_analysis.data.embedded_scenes import KEPT_SCENES, EmbeddedScenes, box_of, part_of_photograph
from autola_analysis.data.puppet import JOINTS, TEXTURE, capsule, covered, draw_pose, parts
from autola_analysis.data.scene import Sprite

VERSION = 1
"""Raise it whenever a pixel or a joint of any image changes: it is part of the fingerprint."""
STREAM = 3
"""Tells the random numbers of these images from those of the other embedded data"""
WIDTH, HEIGHT = 192, 160
DEFAULT_LENGTH = {"train": 2_700, "test": 700}
"""Images; they hold about 4,000 and 1,000 figures"""
MOST_FIGURES = 2
CROP_WIDTHS = (120, 300)  # of the photograph that is stretched to an image
LOOSE = (3, 6)  # capsules and digits that belong to nobody
LOOSE_LENGTHS, LOOSE_WIDTHS, LOOSE_GLYPHS = (10, 40), (7, 14), (11, 19)
OCCLUDED = 0.6
"""Share of scenes with something in front of a joint"""
OCCLUDER_WIDTHS = (14, 24)
MOST_HIDDEN = 2
"""Joints that the occluder hides, at most"""
VISIBLE = 0.7
"""Least share of a figure that a later figure leaves visible"""


@dataclass(frozen=True)
class PuppetScene:
    """One image of digit-puppets.

    Attributes:
        pixels: uint8 ``(160, 192, 3)``.
        masks: What is visible of every figure, ``(n, 160, 192)``.
        keypoints: x, y and visibility of its joints, ``(n, 9, 3)``: 2 where the figure shows there, 1 where something
            else lies in front of it, and 0, with x and y, outside of the image.
        facing: Whether the figure faces the viewer, ``(n,)``.
    """

    pixels: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    keypoints: NDArray[np.float64]
    facing: NDArray[np.bool_]


@lru_cache(KEPT_SCENES)
def make_puppet_scene(seed: int, split: Split, index: int) -> PuppetScene:
    """Make image `index` of a split, a pure function of its arguments.

    Args:
        seed: Of the whole data set.
        split: "train" or "test".
        index: Of the image.
    """
    generator = np.random.default_rng([STREAM, VERSION, seed, SPLITS.index(split), index])
    canvas = _photograph(split, generator) * BACKGROUND_BRIGHTNESS
    for _ in range(int(generator.integers(*LOOSE, endpoint=True))):
        _loose(split, canvas, generator).paint(canvas)
    masks, joints, facing = np.zeros((0, HEIGHT, WIDTH), dtype=np.bool_), [], []
    for _ in range(int(generator.integers(1, MOST_FIGURES, endpoint=True))):
        whole = masks.sum((1, 2))
        while True:
            pose = draw_pose((WIDTH, HEIGHT), generator)
            texture = _texture(split, canvas, generator)
            sprites = parts(pose, texture, _digits(split, generator), generator)
            mask = covered(sprites, HEIGHT, WIDTH)
            if ((masks & ~mask).sum((1, 2)) >= VISIBLE * whole).all():
                break
        for sprite in sprites:
            sprite.paint(canvas)
        masks = np.concatenate([masks & ~mask, mask[None]])
        joints.append(pose.joints)
        facing.append(pose.facing)
    if generator.random() < OCCLUDED:
        occluder = _occluder(split, canvas, np.concatenate(joints), generator)
        occluder.paint(canvas)
        masks = masks & ~covered([occluder], HEIGHT, WIDTH)
    scene = PuppetScene(
        np.clip(np.rint(canvas), 0, 255).astype(np.uint8), masks, _keypoints(np.stack(joints), masks), np.array(facing)
    )
    for array in vars(scene).values():
        array.flags.writeable = False  # scenes are remembered
    return scene


def _photograph(split: Split, generator: np.random.Generator) -> Array:
    return part_of_photograph(split, CROP_WIDTHS, (WIDTH, HEIGHT), generator)


def _texture(split: Split, canvas: Array, generator: np.random.Generator) -> Array:
    """Return what a figure shows: a photograph in a colour that differs from the picture's."""
    return TEXTURE * _photograph(split, generator) + (1 - TEXTURE) * contrasting_colour(canvas, generator)


def _digits(split: Split, generator: np.random.Generator) -> tuple[Array, Array, Array]:
    inks = scans(split)[0]
    head, hand, foot = (inks[generator.integers(len(inks))] for _ in range(3))
    return head, hand, foot


def _loose(split: Split, canvas: Array, generator: np.random.Generator) -> Sprite:
    """Return a capsule or a digit that belongs to nobody."""
    if generator.integers(2):
        start = generator.uniform(0, [WIDTH - 1, HEIGHT - 1])
        angle = generator.uniform(0, 2 * np.pi)
        end = start + np.array([np.cos(angle), np.sin(angle)]) * generator.uniform(*LOOSE_LENGTHS)
        return capsule(start, end, generator.uniform(*LOOSE_WIDTHS), _texture(split, canvas, generator))
    inks = scans(split)[0]
    ink = resized(inks[generator.integers(len(inks))], int(generator.integers(*LOOSE_GLYPHS, endpoint=True)))
    top, left = (int(generator.integers(side - len(ink) + 1)) for side in (HEIGHT, WIDTH))
    return Sprite(ink, generator.uniform(0, 255, 3), top, left)


def _occluder(split: Split, canvas: Array, joints: Array, generator: np.random.Generator) -> Sprite:
    """Return a capsule in front of a joint, and of one more at most."""
    while True:
        start = joints[generator.integers(len(joints))] + generator.uniform(-4, 4, 2)
        angle = generator.uniform(0, 2 * np.pi)
        end = start + np.array([np.cos(angle), np.sin(angle)]) * generator.uniform(*LOOSE_LENGTHS)
        found = capsule(start, end, generator.uniform(*OCCLUDER_WIDTHS), _texture(split, canvas, generator))
        inside, x, y = _pixels(joints)
        if covered([found], HEIGHT, WIDTH)[y, x][inside].sum() <= MOST_HIDDEN:
            return found


def _keypoints(joints: Array, masks: NDArray[np.bool_]) -> Array:
    """Return joints ``(n, 9, 2)`` with their visibility, ``(n, 9, 3)``."""
    inside, x, y = _pixels(joints)
    shown = masks[np.arange(len(masks))[:, None], y, x]
    return np.concatenate([joints, np.where(shown, 2.0, 1.0)[..., None]], -1) * inside[..., None]


def _pixels(joints: Array) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Return whether joints lie in the image, and column and row of the nearest pixel in it."""
    places = np.rint(joints).astype(np.int64)
    nearest = places.clip(0, [WIDTH - 1, HEIGHT - 1])
    return (places == nearest).all(-1), nearest[..., 0], nearest[..., 1]


class DigitPuppets(EmbeddedScenes[PuppetScene]):
    """The data set as a source of objects, all of one class; see `EmbeddedScenes`."""

    name = "digit-puppets"
    classes = ("puppet",)
    category_ids = (1,)
    joints = JOINTS
    version, lengths, size = VERSION, DEFAULT_LENGTH, (WIDTH, HEIGHT)

    def scene(self, index: int) -> PuppetScene:
        """Return pixels, masks and joints of one image."""
        return make_puppet_scene(self.seed, self.split, index)

    def objects(self, index: int) -> Objects:
        """Return the figures of one image; boxes and areas are those of what is visible."""
        scene = self.scene(index)
        count = len(scene.masks)
        return Objects(
            np.stack([box_of(mask) for mask in scene.masks]),
            np.zeros(count, dtype=np.int64),
            scene.masks.sum((1, 2)).astype(np.float64),
            np.zeros(count, dtype=np.bool_),
            (MOST_FIGURES * index + np.arange(1, count + 1)).astype(np.int64),
            scene.keypoints,
        )
