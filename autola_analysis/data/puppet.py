"""A puppet: a jointed figure of a torso, a head and four limbs, as parts that are painted one after the other.

Its left and its right look alike. A head with a digit faces the viewer, and has its left on the image's right; a plain
head is turned away. So the side of a hand shows only together with the head, and mirroring a puppet gives one whose
left and right are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.objects import JointSet
from autola_analysis.data.cluttered_digits import INK, Array, contrasting_colour, resized
from autola_analysis.data.scene import Sprite

JOINTS = JointSet(
    ("head", *(f"{side}_{joint}" for joint in ("elbow", "hand", "knee", "foot") for side in ("left", "right"))),
    pairs=((1, 2), (3, 4), (5, 6), (7, 8)),
    skeleton=((0, 1), (0, 2), (1, 3), (2, 4), (1, 5), (2, 6), (5, 7), (6, 8)),
    sigmas=(0.07,) * 9,
)
HEAD, ELBOW, HAND, KNEE, FOOT = 0, 1, 3, 5, 7
"""Numbers of the joints, of pairs those of the left ones"""
HEIGHTS = (90, 130)  # pixels of a figure that stands upright
LIMB_WIDTHS = (7, 14)
LENGTHS = {"neck": 0.1, "torso": 0.32, "upper arm": 0.17, "forearm": 0.17, "thigh": 0.21, "shin": 0.21}  # of the height
LENGTH_SPREAD = 0.15
SHOULDER, HIP, HEAD_RADIUS = 0.12, 0.08, 0.09  # from the axis of the body, of the height
GLYPH, HEAD_GLYPH = 0.13, 0.16  # side of the digits on hands and feet, and on the head, of the height
ANGLES = {"shoulder": 150.0, "elbow": 100.0, "hip": 45.0, "knee": 80.0}  # degrees, at most
SHADES = {"torso": 0.65, "arm": 1.0, "leg": 0.85}
TEXTURE = 0.5
"""Share of the photograph in what the limbs show; the rest is the colour of the figure"""


@dataclass(frozen=True)
class Pose:
    """Where the parts of a puppet are, x and y in pixels; the centre of the first pixel is 0.

    Attributes:
        height: Of the figure when it stands upright.
        facing: Whether it faces the viewer.
        width: Of its limbs.
        neck: ``(2,)``.
        shoulders: Left and right, ``(2, 2)``; likewise `hips`.
        joints: As `JOINTS` names them, ``(9, 2)``; the head, hands and feet lie in the middle of whole pixels.
    """

    height: float
    facing: bool
    width: float
    neck: Array
    shoulders: Array
    hips: Array
    joints: Array

    @property
    def glyph(self) -> int:
        """Side of the digits on hands and feet, in pixels; odd, so that a pixel is in the middle."""
        return _odd(GLYPH * self.height)


def draw_pose(size: tuple[int, int], generator: np.random.Generator) -> Pose:
    """Draw a pose somewhere in a picture.

    Args:
        size: Width and height of the picture, in pixels.
        generator: Of random numbers.
    """
    height = generator.uniform(*HEIGHTS)
    lengths = {
        name: height * share * generator.uniform(1 - LENGTH_SPREAD, 1 + LENGTH_SPREAD)
        for name, share in LENGTHS.items()
    }
    facing = bool(generator.integers(2))
    across = np.array([1, -1]) if facing else np.array([-1, 1])  # of left and right: who faces us has his left there
    x = generator.uniform(0.12, 0.88) * size[0]
    y = generator.uniform(0.3, 0.4) * size[1]
    neck, hip = np.array([x, y]), np.array([x, y + lengths["torso"]])
    shoulders = neck + np.stack([across * SHOULDER * height, [0.05 * height] * 2], 1)
    hips = hip + np.stack([across * HIP * height, [0, 0]], 1)
    bend = generator.choice([-1, 1])
    joints = np.zeros((len(JOINTS.names), 2))
    joints[HEAD] = np.round(neck - [0, lengths["neck"]])
    for side in range(2):
        arm = generator.uniform(-1, 1) * ANGLES["shoulder"]
        leg = generator.uniform(-1, 1) * ANGLES["hip"]
        elbow = generator.uniform(-1, 1) * ANGLES["elbow"]
        knee = bend * generator.uniform() * ANGLES["knee"]
        joints[ELBOW + side] = shoulders[side] + _towards(arm, lengths["upper arm"])
        joints[HAND + side] = np.round(joints[ELBOW + side] + _towards(arm + elbow, lengths["forearm"]))
        joints[KNEE + side] = hips[side] + _towards(leg, lengths["thigh"])
        joints[FOOT + side] = np.round(joints[KNEE + side] + _towards(leg + knee, lengths["shin"]))
    return Pose(height, facing, generator.uniform(*LIMB_WIDTHS), neck, shoulders, hips, joints)


def parts(
    pose: Pose, texture: Array, digits: tuple[Array, Array, Array], generator: np.random.Generator
) -> list[Sprite]:
    """Return the parts of a puppet in the order of painting.

    Args:
        pose: Of the puppet.
        texture: What its limbs show, ``(H, W, 3)`` like the picture.
        digits: Scans on the head of one that faces us, on the hands, and on the feet.
        generator: Of the colours of the digits.
    """
    made = list(_limbs(pose, texture))
    radius, joints = HEAD_RADIUS * pose.height, pose.joints
    made.append(capsule(joints[HEAD], joints[HEAD], 2 * radius, texture))
    ink = contrasting_colour(texture, generator)
    if pose.facing:
        made.append(_glyph(digits[0], _odd(HEAD_GLYPH * pose.height), joints[HEAD], ink, texture.shape))
    for scan, first in zip(digits[1:], (HAND, FOOT), strict=True):
        made += [_glyph(scan, pose.glyph, joints[first + side], ink, texture.shape) for side in range(2)]
    return made


def capsule(start: Array, end: Array, width: float, texture: Array) -> Sprite:
    """Return a line with round ends, with a texture ``(H, W, 3)`` as large as the picture; empty outside of it."""
    height, across = texture.shape[:2]
    reach = width / 2 + 1
    low = np.floor(np.minimum(start, end) - reach).astype(int).clip(0, [across, height])
    high = np.ceil(np.maximum(start, end) + reach + 1).astype(int).clip(low, np.maximum(low, [across, height]))
    points = np.stack(np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1])), -1) - start
    along = end - start
    share = np.clip(points @ along / max(float(along @ along), 1e-9), 0, 1)
    distance = np.linalg.norm(points - share[..., None] * along, axis=-1)
    window = texture[low[1] : high[1], low[0] : high[0]]
    return Sprite(np.clip(width / 2 - distance + 0.5, 0, 1), window, int(low[1]), int(low[0]))


def covered(sprites: list[Sprite], height: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels of a picture some sprites cover at least by half, ``(height, width)``."""
    mask = np.zeros((height, width), dtype=np.bool_)
    for sprite in sprites:
        rows, columns = sprite.opacity.shape
        mask[sprite.top : sprite.top + rows, sprite.left : sprite.left + columns] |= sprite.opacity >= INK
    return mask


def _limbs(pose: Pose, texture: Array) -> Iterator[Sprite]:
    joints, width = pose.joints, pose.width
    hip, body = pose.hips.mean(0), texture * SHADES["torso"]
    yield capsule(pose.neck, hip, 2.4 * width, body)
    for side in range(2):
        knee, leg = joints[KNEE + side], texture * SHADES["leg"]
        yield capsule(pose.hips[side], knee, width, leg)
        yield capsule(knee, joints[FOOT + side], width, leg)
    for side in range(2):
        elbow, arm = joints[ELBOW + side], texture * SHADES["arm"]
        yield capsule(pose.shoulders[side], elbow, width, arm)
        yield capsule(elbow, joints[HAND + side], width, arm)


def _glyph(scan: Array, side: int, centre: Array, colour: Array, size: tuple[int, ...]) -> Sprite:
    """Return a digit with its middle at a whole pixel, without what lies outside of the picture."""
    left, top = (int(value) - side // 2 for value in centre)
    ink = resized(scan, side)
    rows, columns = (slice(max(0, -low), max(0, limit - low)) for low, limit in ((top, size[0]), (left, size[1])))
    return Sprite(ink[rows, columns], colour, max(top, 0), max(left, 0))


def _towards(degrees: float, length: float) -> Array:
    """Return a step; 0 degrees point down."""
    angle = np.deg2rad(degrees)
    return np.array([np.sin(angle), np.cos(angle)]) * length


def _odd(side: float) -> int:
    return 2 * round(side / 2 - 0.5) + 1
