"""Boxes that a detector found, in place of the annotated ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import hash_of


class GivenBoxes(ObjectSource):
    """The images of a source with boxes of people from elsewhere, of whom no joint is known.

    Every box has all joints in its middle, called hidden, so that people can be cut out by it.

    Args:
        source: The images.
        images: Number of the image of every box, in order, ``(N,)``.
        boxes: x1, y1, x2, y2 in pixels of the stored images, ``(N, 4)``.
        labels: Their classes, ``(N,)``.
    """

    def __init__(
        self,
        source: ObjectSource,
        images: NDArray[np.int64],
        boxes: NDArray[np.float64],
        labels: NDArray[np.int64],
    ) -> None:
        self.source, self._boxes, self._labels = source, boxes, labels
        self.name, self.split, self.classes, self.joints = source.name, source.split, source.classes, source.joints
        self.category_ids, self.preprocessing = source.category_ids, source.preprocessing
        self.ids, self.image_ids, self.sizes = source.ids, source.image_ids, source.sizes
        self._first = np.searchsorted(images, np.arange(len(source) + 1))

    def image(self, index: int) -> Image.Image:
        """Decode one image."""
        return self.source.image(index)

    def objects(self, index: int) -> Objects:
        """Return the boxes in one image."""
        own = slice(*self._first[index : index + 2].tolist())
        boxes = self._boxes[own]
        sides = boxes[:, 2:] - boxes[:, :2]
        joints = 0 if self.joints is None else len(self.joints.names)
        middle = np.ones((len(boxes), joints, 3))
        middle[..., :2] = (boxes[:, :2] + boxes[:, 2:])[:, None] / 2
        crowd = np.zeros(len(boxes), dtype=np.bool_)
        return Objects(boxes, self._labels[own], sides.prod(1), crowd, np.arange(own.start, own.stop) + 1, middle)

    def object_mask(self, index: int, number: int) -> None:
        """Return None: only boxes are given."""

    def fingerprint(self) -> str:
        """Return a hash of the source's own and of the boxes."""
        return hash_of(self.source.fingerprint(), self.known())

    def listing(self) -> str:
        """Return the same of the source's listing."""
        return hash_of(self.source.listing(), self.known())

    def origin(self) -> str:
        """Return the source's own."""
        return self.source.origin()

    def check_unchanged(self) -> None:
        """Check the source."""
        self.source.check_unchanged()
