"""Random changes of images with boxes, as SSD is trained: crops, mirroring, colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import functional as TF

LEAST_OVERLAPS: tuple[float | None, ...] = (None, 0.1, 0.3, 0.5, 0.7, 0.9, -math.inf)
"""What a crop has to keep of every box, as IoU of crop and box, above; None leaves the image as it is. Any crop is
above the last, also one that leaves boxes out whole."""
LEAST_SIDE = 0.3
"""Of a crop, in shares of the image's"""
WIDEST = 2.0
"""Largest ratio of a crop's relative sides, either way"""
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.125, 0.5, 0.5, 0.05
"""How far colours are moved at most"""


@dataclass(frozen=True)
class BoxedImage:
    """An image with the boxes of its objects.

    Attributes:
        pixels: uint8 ``(H, W, 3)``.
        boxes: x1, y1, x2, y2 in pixels, ``(n, 4)``.
        labels: Index of the class, ``(n,)``.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]


def cropped(image: BoxedImage, generator: np.random.Generator) -> BoxedImage:
    """Return a random part of an image with the boxes whose centres lie in it, cut to it; or the image as it is.

    One of seven rules is drawn, and a crop with it, until a crop obeys its rule: leave the image as it is, keep more
    than an IoU of every box, or keep what there is. A crop without a box is none.

    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 2.2; NVIDIA DeepLearningExamples,
        PyTorch/Detection/SSD, `SSDCropping`.
    """
    height, width = image.pixels.shape[:2]
    while True:
        least = LEAST_OVERLAPS[generator.integers(len(LEAST_OVERLAPS))]
        if least is None:
            return image
        across, down = generator.uniform(LEAST_SIDE, 1, 2)
        if not 1 / WIDEST <= across / down <= WIDEST:
            continue
        left, top = int(generator.uniform(0, 1 - across) * width), int(generator.uniform(0, 1 - down) * height)
        right, bottom = left + max(int(across * width), 1), top + max(int(down * height), 1)
        window = np.array([left, top, right, bottom], dtype=np.float64)
        centres = (image.boxes[:, :2] + image.boxes[:, 2:]) / 2
        inside = ((centres > window[:2]) & (centres < window[2:])).all(1)
        if not inside.any() or not (_overlaps(image.boxes, window) > least).all():
            continue
        corner = np.tile(window[:2], 2)
        boxes = np.clip(image.boxes[inside], corner, np.tile(window[2:], 2)) - corner
        return BoxedImage(image.pixels[top:bottom, left:right], boxes, image.labels[inside])


def mirrored(image: BoxedImage, generator: np.random.Generator) -> BoxedImage:
    """Return an image, half of the time with left and right exchanged."""
    if generator.random() >= 0.5:
        return image
    width = image.pixels.shape[1]
    boxes = image.boxes.copy()
    boxes[:, [0, 2]] = width - image.boxes[:, [2, 0]]
    return replace(image, pixels=image.pixels[:, ::-1], boxes=boxes)


def recoloured(pixels: Tensor, generator: np.random.Generator) -> Tensor:
    """Return a uint8 image ``(3, H, W)`` with brightness, contrast, saturation and hue moved, in random order."""
    changes: tuple[tuple[Callable[..., Any], float], ...] = (
        (TF.adjust_brightness, 1 + generator.uniform(-BRIGHTNESS, BRIGHTNESS)),
        (TF.adjust_contrast, 1 + generator.uniform(-CONTRAST, CONTRAST)),
        (TF.adjust_saturation, 1 + generator.uniform(-SATURATION, SATURATION)),
        (TF.adjust_hue, generator.uniform(-HUE, HUE)),
    )
    for place in generator.permutation(len(changes)):
        change, amount = changes[place]
        pixels = change(pixels, float(amount))
    return pixels


def _overlaps(boxes: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of boxes with a window, ``(n,)``."""
    sides = np.clip(np.minimum(boxes[:, 2:], window[2:]) - np.maximum(boxes[:, :2], window[:2]), 0, None)
    both = sides.prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return np.asarray(both / (areas + (window[2:] - window[:2]).prod() - both))
