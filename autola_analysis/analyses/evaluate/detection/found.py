"""The detections of a network in all images, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autola_analysis.inference.tasks.average_precision import Detections


@dataclass(frozen=True)
class Found:
    """Detections, a row each; those of an image stand together, the strongest first.

    Attributes:
        images: Number of the image, ``(D,)``.
        boxes: x1, y1, x2, y2, ``(D, 4)``: in pixels of the stored image, or, during a pass, in shares of its sides.
        labels: Index of the class, ``(D,)``.
        scores: ``(D,)``.
    """

    images: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, detections: Sequence[Detections], numbers: Sequence[int]) -> Self:
        """Return the detections of some images.

        Args:
            detections: Of each image.
            numbers: Of the images.
        """
        counts = [len(each.labels) for each in detections]
        return cls(
            np.repeat(np.asarray(numbers, dtype=np.int64), counts),
            np.concatenate([each.boxes.reshape(-1, 4) for each in detections]),
            np.concatenate([each.labels for each in detections]),
            np.concatenate([each.scores for each in detections]),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the detections of several parts in the order of the images, of an image in the order that they had."""
        nothing = cls(np.empty(0, np.int64), np.empty((0, 4)), np.empty(0, np.int64), np.empty(0))
        columns = [np.concatenate(each) for each in zip(*(part._columns() for part in [nothing, *parts]), strict=True)]
        whole = cls(*columns)
        return whole.rows(np.argsort(whole.images, kind="stable"))

    def rows(self, chosen: NDArray[Any]) -> Self:
        """Return some of the detections, by number or by a mask."""
        return type(self)(*(column[chosen] for column in self._columns()))

    def per_image(self, images: int) -> list[Detections]:
        """Return the detections of every image.

        Args:
            images: Number of images.
        """
        ends = np.cumsum(np.bincount(self.images, minlength=images))[:-1]
        parts = zip(*(np.split(column, ends) for column in self._columns()[1:]), strict=True)
        return [Detections(*part) for part in parts]

    def in_pixels(self, sizes: NDArray[np.int64]) -> Self:
        """Return detections whose boxes are in shares with boxes in pixels.

        Args:
            sizes: Width and height of every image, ``(N, 2)``.
        """
        return replace(self, boxes=self.boxes * np.tile(sizes, 2)[self.images])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _columns(self) -> list[NDArray[Any]]:
        return list(self.arrays().values())
