"""Does a map lie on the object? By the rank of its pixels, by the share of its sum, by where its maximum is.

Pure functions of maps and object masks. A map without any energy (zero everywhere, or not finite) is a miss: 0 by every
metric that says how well a map finds the object; it has no spread and no centre (NaN). An image whose mask is empty has
no object to find, and every metric of it is NaN.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.core.errors import DataError

FloatArray = NDArray[np.float64]
Masks = NDArray[np.bool_] | Tensor

METRICS = {
    "precision": "share of the A highest pixels that lie on the object of A pixels",
    "auc": "probability that a pixel of the object is higher than one beside it, ties halved",
    "energy": "share of the map's sum that lies on the object",
    "effective_area": "share of the image that a flat map as peaked as this one would cover",
    "pointing": "whether the maximum lies on the object, or within 15 pixels of it at a size of 224",
    "iou": "intersection over union of the object and where the map reaches 20% of its maximum",
    "offset_x": "map's centroid right of the object's, in shares of the image's shorter side",
    "offset_y": "map's centroid below the object's, in shares of the image's shorter side",
    "ceiling": "precision of a map of the layer's resolution that knew the object",
}
"""Names of the metrics, and what each is; the first decides the claim of the paper."""
OFFSETS = ("offset_x", "offset_y")

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


def precision_at_mask_area(maps: Tensor, masks: Masks) -> FloatArray:
    """Return the share of each map's A highest pixels that lie on the object, ``(B,)``, A its number of pixels.

    Of pixels that tie for the last places, the share that lies on the object counts: what a random order of them gives
    on average. Only the order of the pixels matters: any increasing function of a map has the same precision.
    """
    values, objects = _pair(maps, masks)
    flat, inside = values.reshape(len(values), -1), objects.reshape(len(objects), -1)
    areas = inside.sum(1)
    last = np.array([_highest(value, area) for value, area in zip(flat, areas, strict=True)])[:, None]
    above, tied = flat > last, flat == last
    places = areas - above.sum(1)  # that are left for those that tie
    hits = (above & inside).sum(1) + places * (tied & inside).sum(1) / tied.sum(1)
    precision = np.where(flat.max(1) > 0, hits / np.maximum(areas, 1), 0)
    return _where_there_is_an_object(precision, objects)


def pixel_auc(maps: Tensor, masks: Masks) -> FloatArray:
    """Return the probability that a random pixel of the object is higher than a random one beside it, ``(B,)``.

    Ties count one half. This is the area under the ROC curve of the pixels, the statistic of Mann and Whitney over its
    largest value; NaN also where the object fills the image.

    References:
        Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
        Radiology 1982.
    """
    values, objects = _pair(maps, masks)
    areas = np.full(len(values), np.nan)
    for index, (value, mask) in enumerate(zip(values, objects, strict=True)):
        on, beside = value[mask], np.sort(value[~mask])
        if len(on) and len(beside):
            lower, not_higher = (np.searchsorted(beside, on, side) for side in ("left", "right"))
            areas[index] = (lower.sum() + not_higher.sum()) / (2 * len(on) * len(beside)) if value.max() > 0 else 0
    return areas


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


def effective_area(maps: Tensor, masks: Masks) -> FloatArray:
    """Return ``(sum p)^2 / (n sum p^2)`` over the n pixels p of each map, ``(B,)``.

    1 for a flat map, 1/n where a single pixel is not zero; NaN where all are, or there is no object.
    """
    values, objects = _pair(maps, masks)
    values = values / np.maximum(values.max((1, 2), keepdims=True), np.finfo(float).tiny)
    squares = (values**2).sum((1, 2)) * values[0].size
    area = np.divide(values.sum((1, 2)) ** 2, squares, out=np.full(len(values), np.nan), where=squares > 0)
    return _where_there_is_an_object(area, objects)


def centroid_offset(maps: Tensor, masks: Masks) -> FloatArray:
    """Return how far each map's centroid lies right of and below the object's, ``(B, 2)``.

    In shares of the image's shorter side, so that images of other sizes can be compared. A mean over images whose
    objects lie anywhere shows whether maps are off to one side. NaN where a map or a mask is zero everywhere.
    """
    values, objects = _pair(maps, masks)
    height, width = values.shape[1:]
    with np.errstate(invalid="ignore"):
        maps_at, objects_at = (
            np.stack([each.sum(1) @ np.arange(width), each.sum(2) @ np.arange(height)], 1)
            / each.sum((1, 2))[:, None].astype(float)
            for each in (values, objects)
        )
    offset: FloatArray = (maps_at - objects_at) / min(height, width)
    return offset


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


def ceiling(masks: Masks, grid: CellGrid | None) -> FloatArray:
    """Return the precision that a map of a layer's resolution would reach if it knew the object, ``(B,)``.

    Its cells are the share of their squares that the object covers, brought to the image's size as maps are. This is
    one such map, not the best that there is: another may reach a little more.

    Args:
        masks: ``(B, H, W)``.
        grid: Where the layer's cells lie; None for a map that has the image's own resolution, which reaches 1.
    """
    objects = torch.as_tensor(masks)
    maps = objects.double() if grid is None else grid.place(grid.average(objects))
    return precision_at_mask_area(maps, objects)


def localise(maps: Tensor, masks: Masks, grid: CellGrid | None = None) -> dict[str, FloatArray]:
    """Return every metric of `METRICS` for a batch of maps, each ``(B,)``.

    Args:
        maps: ``(B, H, W)`` or ``(B, 3, H, W)``.
        masks: ``(B, H, W)``, true on the object.
        grid: Where the cells lie that the maps were made of; None where maps have the image's own resolution.

    Raises:
        DataError: If maps and masks do not fit.
    """
    offset = centroid_offset(maps, masks)
    return {
        "precision": precision_at_mask_area(maps, masks),
        "auc": pixel_auc(maps, masks),
        "energy": energy_inside(maps, masks),
        "effective_area": effective_area(maps, masks),
        "pointing": pointing_game(maps, masks),
        "iou": iou(maps, masks),
        "offset_x": offset[:, 0],
        "offset_y": offset[:, 1],
        "ceiling": ceiling(masks, grid),
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


def _highest(values: FloatArray, rank: int) -> float:
    """Return the value of a rank among values, 1 the highest; the highest for rank 0."""
    place = len(values) - max(rank, 1)
    return float(np.partition(values, place)[place])


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
