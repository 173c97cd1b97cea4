"""The geometry of a preprocessing on tensors, on any device: as `Preprocessing.geometry` on Pillow's images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import functional as TF

from autola_analysis.data.preprocessing import Preprocessing

TENSOR_FILTERS = ("bilinear", "bicubic")
"""Filters that torch has with Pillow's weights."""


def has_tensor_geometry(preprocessing: Preprocessing) -> bool:
    """Return whether tensors of colour images can be brought to shape as Pillow would: by its filters, not to grey."""
    return preprocessing.channels == 3 and preprocessing.interpolation in TENSOR_FILTERS


def tensor_geometry(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return resized and cropped images, uint8, on the same device.

    At most a level from `Preprocessing.geometry`, and in few numbers of a thousand: where a sum lies half between two
    levels, Pillow's whole numbers and float32 round to different sides. Pillow from version 13 on resizes some images
    the other way round, columns first, which changes more numbers by a level or two.

    Args:
        images: Of one size, ``(B, 3, H, W)``, uint8.
        preprocessing: One that `has_tensor_geometry`.
    """
    if preprocessing.stretch is not None:
        images = _resized(images, preprocessing.stretch, preprocessing.stretch, preprocessing.interpolation)
    if preprocessing.resize is not None:
        images = _resized(images, *_by_shorter_side(images, preprocessing.resize), preprocessing.interpolation)
    if preprocessing.crop is not None:
        images = TF.center_crop(images, [preprocessing.crop, preprocessing.crop])
    return images


def _by_shorter_side(images: Tensor, side: int) -> tuple[int, int]:
    height, width = images.shape[-2:]
    longer = int(side * max(height, width) / min(height, width))
    return (side, longer) if height <= width else (longer, side)


def _resized(images: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Resize as Pillow does: rows first, rounded to whole levels, then columns."""
    for size in ((images.shape[-2], width), (height, width)):
        if images.shape[-2:] != size:
            sums = F.interpolate(images.to(torch.float32), size, mode=mode, antialias=True)
            images = sums.add_(0.5).floor_().clamp_(0, 255).to(torch.uint8)
    return images
