"""The source of objects: images by index, each with any number of annotated objects."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.objects import JointSet, Objects
from autola_analysis.data.source import Source, hash_of


class ObjectSource(Source):
    """Images with objects; a sibling of `ImageSource`, which has one label per image.

    Attributes:
        category_ids: Of the classes, as files of results name them; classes are in their order.
        image_ids: Number of every image, as files of results name them, ``(N,)``.
        sizes: Width and height of every image in pixels, known before decoding, ``(N, 2)``.
        joints: Joints of its objects; None where they have none.
    """

    category_ids: tuple[int, ...]
    image_ids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    joints: JointSet | None = None

    @abstractmethod
    def objects(self, index: int) -> Objects:
        """Return the objects of one image."""

    @abstractmethod
    def object_mask(self, index: int, number: int) -> NDArray[np.bool_] | None:
        """Return where object `number` of an image is, ``(H, W)``; None where that is not known."""

    def known(self) -> bytes:
        """Return boxes, labels, areas, crowds and joints of all images as bytes."""
        parts = []
        for index in range(len(self)):
            objects = self.objects(index)
            arrays = [objects.boxes, objects.labels, objects.areas, objects.crowd, objects.ids]
            arrays += [] if objects.keypoints is None else [objects.keypoints]
            parts.append(hash_of(*(array.tobytes() for array in arrays)).encode())
        return b"".join(parts)
