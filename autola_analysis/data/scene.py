"""An image as what it is made of: a backdrop, clutter on it, and an object on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Sprite:
    """Something that is painted on a picture.

    Attributes:
        opacity: Share of every pixel that it covers, 0 to 1, ``(h, w)``.
        colours: What it shows, in grey levels 0 to 255: one colour ``(3,)`` or one per pixel ``(h, w, 3)``.
        top: Row of its upper edge in the picture.
        left: Column of its left edge.
    """

    opacity: FloatArray
    colours: FloatArray
    top: int = 0
    left: int = 0

    def paint(self, canvas: FloatArray) -> None:
        """Paint it on a picture ``(H, W, 3)``, in place."""
        height, width = self.opacity.shape
        patch = canvas[self.top : self.top + height, self.left : self.left + width]
        patch += self.opacity[:, :, None] * (self.colours - patch)


@dataclass(frozen=True)
class Scene:
    """An image in parts, from which it can be put together again to the last bit, and otherwise.

    Attributes:
        backdrop: Without clutter and object, in grey levels 0 to 255, ``(H, W, 3)``.
        clutter: What lies between backdrop and object; none where the image is not known so far apart.
        object: What the image is labelled by.
        mask: Where the object is, ``(H, W)``.
    """

    backdrop: FloatArray
    clutter: tuple[Sprite, ...]
    object: Sprite
    mask: NDArray[np.bool_]

    @cached_property
    def background(self) -> FloatArray:
        """The image without its object, ``(H, W, 3)``."""
        return self.background_with(self.clutter)

    def background_with(self, clutter: Sequence[Sprite]) -> FloatArray:
        """Return the image without its object, with other clutter, ``(H, W, 3)``."""
        canvas = self.backdrop.copy()
        for sprite in clutter:
            sprite.paint(canvas)
        return canvas

    def on(self, background: FloatArray) -> NDArray[np.uint8]:
        """Return the object on a background of the same size, ``(H, W, 3)``."""
        canvas = background.astype(np.float64)
        self.object.paint(canvas)
        return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)

    def image(self) -> NDArray[np.uint8]:
        """Return the image itself, ``(H, W, 3)``."""
        return self.on(self.background)

    def contrast(self, background: FloatArray) -> float:
        """Return by how many grey levels the mean of the object differs from the mean of what its mask covers."""
        return float(abs(self._mean_of_object - background[self.mask].mean()))

    @cached_property
    def _mean_of_object(self) -> float:
        height, width = self.object.opacity.shape
        top, left = self.object.top, self.object.left
        shown = self.mask[top : top + height, left : left + width]
        return float(np.broadcast_to(self.object.colours, (height, width, 3))[shown].mean())
