"""The anchors, box coder and matcher of mmdetection 2 and 3, where torchvision's differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

RATIOS = (0.5, 1.0, 2.0)
"""Height over width of the anchors of a cell"""


class ExactAnchors(AnchorGenerator):  # type: ignore[misc]  # torchvision has no types
    """Anchors that are not rounded, at multiples of each level's own stride.

    torchvision rounds their corners to whole pixels and takes the image's side over the map's as the stride, which
    gives 61 instead of 64 for the 13 cells of an image of 800 pixels.

    Args:
        strides: Distance of the cells of each level, in pixels.
        scale: Side of the square anchor, in strides.
    """

    def __init__(self, strides: Sequence[int], scale: float) -> None:
        self.strides = tuple(strides)
        super().__init__(tuple((stride * scale,) for stride in strides), (RATIOS,) * len(strides))

    def generate_anchors(
        self,
        scales: Sequence[float],
        aspect_ratios: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return the anchors around the origin, x1, y1, x2, y2, ``(ratios * scales, 4)``."""
        root = torch.tensor(aspect_ratios, dtype=dtype, device=device).sqrt()[:, None]
        side = torch.tensor(scales, dtype=dtype, device=device)[None]
        width, height = (side / root).flatten(), (side * root).flatten()
        return torch.stack([-width, -height, width, height], 1) / 2

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return the anchors of every image, by level, row, column and ratio, ``(anchors, 4)``."""
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        grids = [each.shape[-2:] for each in feature_maps]
        anchors = torch.cat(self.grid_anchors(grids, [(stride, stride) for stride in self.strides]))
        return [anchors for _ in image_list.image_sizes]


class ClippedCoder(BoxCoder):  # type: ignore[misc]
    """A coder that bounds how much a box may shrink as well as how much it may grow."""

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Return the boxes of the codes, ``(boxes, 4 * codes per box)``."""
        codes = rel_codes.reshape(len(rel_codes), -1, 4)
        least = rel_codes.new_tensor(self.weights[2:]) * -self.bbox_xform_clip
        codes = torch.cat([codes[..., :2], codes[..., 2:].maximum(least)], -1)
        return super().decode_single(codes.flatten(1), boxes)


class LowQualityMatcher(Matcher):  # type: ignore[misc]
    """Gives every object the anchors that overlap it most, if they overlap it as much as a negative may not.

    torchvision does so without a least overlap, and gives such an anchor the object that the anchor overlaps most.
    """

    def set_low_quality_matches_(self, matches: Tensor, all_matches: Tensor, match_quality_matrix: Tensor) -> None:
        """Write the index of the object into `matches`, the later of two objects winning."""
        for index, overlaps in enumerate(match_quality_matrix):
            if overlaps.max() >= self.low_threshold:
                matches[overlaps == overlaps.max()] = index
