"""The source of objects: images by index, each with any number of annotated objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.objects import JointSet, Objects


class ObjectSource(ABC):
    """Images with objects; a sibling of `ImageSource`, which has one label per image.

    Attributes:
        name: How a user would ask for it.
        split: Which part it is.
        classes: Names in order of category id; a label is an index into them.
        category_ids: Of the classes, as files of results name them.
        ids: Name of every image, unique and stable between runs.
        image_ids: Number of every image, as files of results name them, ``(N,)``.
        sizes: Width and height of every image in pixels, known before decoding, ``(N, 2)``.
        joints: Joints of its objects; None where they have none.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    ids: Sequence[str]
    image_ids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    joints: JointSet | None = None

    @abstractmethod
    def image(self, index: int) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            BadImageError: If it cannot be decoded.
        """

    @abstractmethod
    def objects(self, index: int) -> Objects:
        """Return the objects of one image."""

    @abstractmethod
    def object_mask(self, index: int, number: int) -> NDArray[np.bool_] | None:
        """Return where object `number` of an image is, ``(H, W)``; None where that is not known."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash that changes when images or annotations do, without decoding any."""

    def __len__(self) -> int:
        return len(self.ids)
