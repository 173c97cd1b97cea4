"""Take an image apart of which only the finished picture and the object's mask are known."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from autola_analysis.data.scene import FloatArray, Scene, Sprite

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def cut_out(pixels: Pixels, mask: Mask) -> Scene:
    """Return a picture as its object, cut along the mask, and what is left, with the gap filled.

    Args:
        pixels: ``(H, W, 3)``.
        mask: Where the object is, ``(H, W)``; neither nowhere nor everywhere.
    """
    return Scene(filled(pixels, mask), (), Sprite(mask.astype(np.float64), pixels.astype(np.float64)), mask)


def filled(pixels: Pixels, gap: Mask) -> FloatArray:
    """Return a picture in which the pixels of a gap are blurred from those around it, ``(H, W, 3)``.

    Push-pull: the picture is halved, each pixel the mean of the known ones among its four, until all are known; on the
    way back, unknown pixels are interpolated from the coarser picture. Known pixels stay as they are.

    Args:
        pixels: ``(H, W, 3)``.
        gap: Pixels that are not known, ``(H, W)``; not all of them.

    References:
        Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.3.
    """
    values = torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)[None]
    known = torch.from_numpy(~gap)[None, None]
    result: FloatArray = _filled(values, known)[0].permute(1, 2, 0).numpy()
    return result


def _filled(values: Tensor, known: Tensor) -> Tensor:
    if known.all():
        return values
    share = F.avg_pool2d(known.to(values.dtype), 2, ceil_mode=True)
    total = F.avg_pool2d(values * known, 2, ceil_mode=True)
    coarse = _filled(torch.where(share > 0, total / share.clamp(min=0.1), 0.0), share > 0)
    size = (values.shape[2], values.shape[3])
    return torch.where(known, values, F.interpolate(coarse, size, mode="bilinear", align_corners=False))


def blurred(background: FloatArray, width: float) -> FloatArray:
    """Return a background after a Gaussian blur, as Pillow makes it of three box filters, ``(H, W, 3)``.

    Args:
        background: ``(H, W, 3)``.
        width: Standard deviation as a share of the shorter side.
    """
    radius = width * min(background.shape[:2])
    return np.asarray(_picture(background).filter(ImageFilter.GaussianBlur(radius)), dtype=np.float64)


def resized(background: FloatArray, height: int, width: int) -> FloatArray:
    """Return a background in another size, ``(height, width, 3)``."""
    if background.shape[:2] == (height, width):
        return background
    return np.asarray(_picture(background).resize((width, height), Image.Resampling.BILINEAR), dtype=np.float64)


def resized_mask(mask: Mask, height: int, width: int) -> Mask:
    """Return a mask in another size, ``(height, width)``."""
    if mask.shape == (height, width):
        return mask
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST), dtype=bool)


def _picture(background: FloatArray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(background), 0, 255).astype(np.uint8))
