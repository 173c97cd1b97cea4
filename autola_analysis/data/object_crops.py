"""Objects as images: the crop around every annotated object, labelled with its class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.errors import DataError
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import ImageSource, hash_of

MARGIN = 0.1
"""Of the longer side of a box, left on each side of it"""
LEAST_SIDE = 8.0
"""Objects with a shorter side are left out, in pixels"""


class ObjectCrops(ImageSource):
    """The objects of a source, each as an image of its own; what analyses of labelled images take.

    A crop is the square around the box, a tenth of its longer side larger on each side, moved into the image, and no
    larger than the image's shorter side. Crowds, and objects with a side below 8 pixels, are left out.

    Args:
        source: Images with objects.

    Raises:
        DataError: If no object is left.
    """

    def __init__(self, source: ObjectSource) -> None:
        self.source = source
        self.name, self.split, self.classes = f"object-crops:{source.name}", source.split, source.classes
        self.preprocessing, self.box_changes = source.preprocessing, source.box_changes
        found = [self._of_image(index) for index in range(len(source))]
        self.places = np.concatenate([places for places, _ in found])
        """Number of the image, and of the object in it, of every crop, ``(N, 2)``"""
        self.corners = np.concatenate([corners for _, corners in found])
        """Left, top, right and bottom of every crop in its image, ``(N, 4)``"""
        if not len(self.places):
            raise DataError(
                f"{source.name} holds no object with sides of {LEAST_SIDE:g} pixels that is no crowd; give other data."
            )
        objects = [source.objects(index) for index in range(len(source))]
        self.labels = np.array([objects[image].labels[number] for image, number in self.places], dtype=np.int64)
        self.ids = [f"{source.ids[image]}#{objects[image].ids[number]}" for image, number in self.places]

    def image(self, index: int) -> Image.Image:
        """Decode one image and cut the object out."""
        return self.source.image(int(self.places[index, 0])).crop(tuple(self.corners[index].tolist()))

    def mask(self, index: int) -> NDArray[np.bool_] | None:
        """Return where the object is in its crop; None where only its box is annotated."""
        mask = self.source.object_mask(*self.places[index].tolist())
        left, top, right, bottom = self.corners[index]
        return None if mask is None else mask[top:bottom, left:right]

    def fingerprint(self) -> str:
        """Return a hash of the source's own and of how crops are made."""
        return hash_of(self.source.fingerprint(), f"object crops {MARGIN} {LEAST_SIDE}")

    def origin(self) -> str:
        """Return the source's own."""
        return self.source.origin()

    def check_unchanged(self) -> None:
        """Check the source."""
        self.source.check_unchanged()

    def _of_image(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the objects of an image that become crops, and the corners of the crops."""
        objects = self.source.objects(index)
        sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
        kept = np.flatnonzero((sides >= LEAST_SIDE).all(1) & ~objects.crowd)
        size = self.source.sizes[index]
        side = np.minimum(np.ceil(sides[kept].max(1, initial=0) * (1 + 2 * MARGIN)), size.min())[:, None]
        centres = (objects.boxes[kept, :2] + objects.boxes[kept, 2:]) / 2
        low = np.clip(np.round(centres - side / 2), 0, size - side)
        corners = np.concatenate([low, low + side], 1).astype(np.int64)
        return np.stack([np.full(len(kept), index), kept], 1).astype(np.int64), corners
