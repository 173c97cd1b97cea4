"""Does a map lie on the object? Energy inside it, the pointing game, intersection over union.

Pure functions of maps and object masks. A map without any energy (zero everywhere, or not finite) is a miss with
energy 0 and overlap 0; an image whose mask is empty has no object to find, and every metric of it is NaN.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from autola_analysis.core.errors import DataError

FloatArray = NDArray[np.float64]
Masks = NDArray[np.bool_] | Tensor

METRICS = ("energy", "pointing", "iou")

TOLERANCE = 15.0
"""Pixels by which the maximum may miss the object, for images whose shorter side is `TOLERANCE_SIDE`."""
TOLERANCE_SIDE = 224
IOU_THRESHOLD = 0.2
"""Share of a map's maximum from which on a position counts as marked."""
GAUSSIAN_WIDTH = 0.25
"""Standard deviation of the centred Gaussian chance map, as a share of the side."""


def intensities(maps: Tensor) -> FloatArray:
    """Return how much each pixel matters, ``(B, H, W)``, zero or positive, in float64.

    Input gradients ``(B, 3, H, W)`` are reduced by the maximum absolute value over channels; of layer maps
    ``(B, H, W)`` the positive part is taken. A map that is not finite becomes zero.

    Raises:
        DataError: If the maps have another shape.
    """
    if maps.ndim not in (3, 4):
        raise DataError(f"maps must have shape (B, H, W) or (B, 3, H, W); found {tuple(maps.shape)}.")
    values = maps.detach().to("cpu", torch.float64)
    values = values.abs().amax(1) if maps.ndim == 4 else values.clamp(min=0)
    finite = torch.isfinite(maps.detach().cpu()).flatten(1).all(1)
    return torch.where(finite[:, None, None], values, 0).numpy()


def energy_inside(maps: Tensor, masks: Masks) -> FloatArray:
    """Return the share of each map's sum that lies inside the object, ``(B,)``.

    References:
        Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR 2020
        workshops, section 4.2 (the energy-based pointing game).
    """
    values, objects = _pair(maps, masks)
    total = values.sum((1, 2))
    inside = (values * objects).sum((1, 2))
    energy = np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
    return _where_there_is_an_object(energy, objects)


def pointing_game(maps: Tensor, masks: Masks, tolerance: float = TOLERANCE) -> FloatArray:
    """Return whether each map's maximum lies on the object or close to it, ``(B,)``, 1 or 0.

    Where several positions share the maximum, the share of them that hit: what drawing one of them at random gives on
    average. So a uniform map hits by chance and not by the place of its first pixel.

    Args:
        maps: ``(B, H, W)`` or ``(B, 3, H, W)``.
        masks: ``(B, H, W)``.
        tolerance: Distance in pixels at a shorter side of 224, scaled with the images.

    References:
        Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016.
    """
    values, objects = _pair(maps, masks)
    reach = tolerance * min(values.shape[1:]) / TOLERANCE_SIDE
    hits = np.zeros(len(values))
    for index, (value, mask) in enumerate(zip(values, objects, strict=True)):
        if value.max() > 0 and mask.any():
            near = ndimage.distance_transform_edt(~mask) <= reach
            hits[index] = near[value == value.max()].mean()
    return _where_there_is_an_object(hits, objects)


def iou(maps: Tensor, masks: Masks, threshold: float = IOU_THRESHOLD) -> FloatArray:
    """Return the intersection over union of the object and where each map reaches a share of its maximum, ``(B,)``."""
    values, objects = _pair(maps, masks)
    largest = values.max((1, 2), keepdims=True)
    marked = (values >= threshold * largest) & (largest > 0)
    union = (marked | objects).sum((1, 2))
    overlap = np.divide((marked & objects).sum((1, 2)), union, out=np.zeros(len(union)), where=union > 0)
    return _where_there_is_an_object(overlap, objects)


def localise(maps: Tensor, masks: Masks) -> dict[str, FloatArray]:
    """Return every metric of `METRICS` for a batch of maps, each ``(B,)``."""
    return {
        "energy": energy_inside(maps, masks),
        "pointing": pointing_game(maps, masks),
        "iou": iou(maps, masks),
    }


def uniform_map(height: int, width: int) -> Tensor:
    """Return the chance map that marks everything alike, ``(1, H, W)``."""
    return torch.ones(1, height, width)


def centred_gaussian_map(height: int, width: int) -> Tensor:
    """Return the chance map that knows only that objects lie in the middle, ``(1, H, W)``: a quarter of a side wide."""
    rows = (torch.arange(height) + 0.5) / height - 0.5
    columns = (torch.arange(width) + 0.5) / width - 0.5
    squared = rows[:, None] ** 2 + columns[None, :] ** 2
    return torch.exp(-squared / (2 * GAUSSIAN_WIDTH**2))[None]


CHANCE_MAPS = {"uniform": uniform_map, "centred-gaussian": centred_gaussian_map}


def _pair(maps: Tensor, masks: Masks) -> tuple[FloatArray, NDArray[np.bool_]]:
    values = intensities(maps)
    objects = np.asarray(masks.detach().cpu() if isinstance(masks, Tensor) else masks)
    if objects.shape != values.shape:
        raise DataError(f"masks must have the shape of the maps, {values.shape}; found {objects.shape}.")
    if objects.dtype != np.bool_:
        raise DataError(f"masks must be boolean, true on the object; found {objects.dtype}.")
    return values, objects


def _where_there_is_an_object(metric: FloatArray, objects: NDArray[np.bool_]) -> FloatArray:
    return np.where(objects.any((1, 2)), metric, np.nan)
