"""Objects of an image and joints of an object: values that data and detectors both speak of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035),
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
"""How precisely people place the 17 joints of COCO, nose to ankles, in shares of the object's size"""


@dataclass(frozen=True)
class Objects:
    """The annotated objects of an image.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the stored image, which they may leave by one; pixel i covers [i, i + 1),
            ``(n, 4)``.
        labels: Index of the class, ``(n,)``.
        areas: Of the annotation, in pixels, ``(n,)``.
        crowd: Whether the box holds many objects that are not told apart, ``(n,)``.
        ids: Of the annotations, ``(n,)``.
        keypoints: x, y and visibility (0 not labelled, 1 hidden, 2 visible) of every joint, ``(n, J, 3)``; the centre
            of the first pixel is 0. None where the data have no joints.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    ids: NDArray[np.int64]
    keypoints: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class JointSet:
    """The joints of a data set.

    Attributes:
        names: In order.
        pairs: Indices of left and right joints, which mirroring exchanges.
        skeleton: Indices of joints that are connected.
        sigmas: How precisely a joint can be placed, in shares of the object's size; None where it is not known.
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] | None = None
