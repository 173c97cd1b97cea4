"""What gates do on the objects of an image: which classes it holds, and whether spatial gates sit on objects."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.analyses.by_object import ObjectMeans
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.box_means import shares
from autola_analysis.inference.stream import Batch


class HeldObjects:
    """The objects in the images of the batch that runs.

    Args:
        items: Objects whose classes and contrasts are measured.
        source: The images, with all annotated objects, crowds too.
        model: The detector.
    """

    def __init__(self, items: ObjectItems, source: ObjectSource, model: nn.Module) -> None:
        self.items = items
        self._source = source
        self._means = ObjectMeans(items, model)
        self._annotated: dict[int, NDArray[np.float64]] = {}

    def begin(self, batch: Batch) -> None:
        """Note whose objects are looked at next."""
        self._means.begin(batch)
        self._annotated = {
            place: self._source.objects(index).boxes / np.tile(self._source.sizes[index], 2)
            for place, index in enumerate(batch.indices.tolist())
        }

    def numbers(self) -> Tensor:
        """Return the numbers of the objects of the batch, ``(n,)``."""
        return self._means.numbers()

    def classes(self) -> tuple[Tensor, Tensor]:
        """Return every class that an image of the batch holds, once: places of the images, and the classes."""
        found = [(place, label) for place, own, _ in self._means.own() for label in np.unique(self.items.labels[own])]
        places, labels = torch.tensor(found, dtype=torch.int64).reshape(-1, 2).T
        return places, labels

    def contrasts(self, gate: Tensor) -> Tensor:
        """Return the mean of a spatial gate in every object's box less that outside all objects, ``(n,)``.

        Outside is what of the image no annotated box covers; NaN where they cover all of it.

        Args:
            gate: ``(B, 1, H, W)``.
        """
        found = []
        for place, own, boxes in self._means.own():
            whole = self._means.in_map(np.array([[0.0, 0, 1, 1]]))
            annotated = self._means.in_map(np.clip(self._annotated[place], 0, 1))
            weights = uncovered(whole, annotated, gate.shape[-2], gate.shape[-1]).to(gate.device)
            outside = (weights * gate[place, 0].float()).sum() / weights.sum()
            found.append(self._means.of_image(gate[place], own, boxes)[:, 0] - outside)
        return torch.cat(found) if found else gate.new_zeros(0, dtype=torch.float32)


def uncovered(image: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """Return the share of every cell of a map that lies in the image and in no box, ``(H, W)``, float32.

    In a cell that several boxes cover in part, they are taken to lie there independently of each other.

    Args:
        image: The part of the map that is the image, in shares of the map, ``(1, 4)``.
        boxes: In shares of the map, ``(n, 4)``; those without area cover nothing.
        height: Cells of a column.
        width: Cells of a row.
    """
    (inside,) = _covered(image, height, width)
    return inside * (1 - _covered(boxes, height, width)).clamp(min=0).prod(0)


def _covered(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return the share of every cell that each box covers, ``(n, H, W)``."""
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(1)]
    down, across = (
        shares(boxes[:, [axis, axis + 2]], cells) * (boxes[:, axis + 2] - boxes[:, axis]).float()[:, None] * cells
        for axis, cells in ((1, height), (0, width))
    )
    return down[:, :, None] * across[:, None]
