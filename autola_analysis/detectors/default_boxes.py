"""The default boxes of SSD: what every cell of every level starts from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator


class DefaultBoxes(DefaultBoxGenerator):  # type: ignore[misc]  # torchvision has no types
    """torchvision's generator, with centres cut to the image too, as NVIDIA's SSD300 with ResNet-50 has them.

    At 300 x 300 the last centres of the 10 x 10 level would lie at 9.5 * 32 = 304 pixels.

    Args:
        side: Side of the image in pixels.
        steps: Distance of the cells of each level, in pixels.
        scales: Side of the first box of each level, in pixels, and one more.
        ratios: Further width-to-height ratios of each level; each gives a wide and a high box.
    """

    def __init__(
        self, side: int, steps: Sequence[float], scales: Sequence[float], ratios: Sequence[Sequence[float]]
    ) -> None:
        super().__init__([list(each) for each in ratios], scales=[scale / side for scale in scales], steps=list(steps))

    def _grid_default_boxes(
        self, grid_sizes: list[list[int]], image_size: list[int], dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return centre x, centre y, width and height in shares of the image, ``(boxes, 4)``."""
        boxes: Tensor = super()._grid_default_boxes(grid_sizes, image_size, dtype)
        return boxes.clamp(0, 1)
