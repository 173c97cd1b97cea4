"""Where the maps of one object lie: on it, on other objects, in the box that the network predicts.

Maps here are stacks ``(K, H, W)`` of one object: those of several methods, or maps that know nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.saliency.localisation import (
    OFFSETS,
    centred_gaussian_map,
    centroid_offset,
    energy_inside,
    iou,
    pointing_game,
    precision_at_mask_area,
    uniform_map,
)
from autola_analysis.analyses.saliency.objects.regions import Regions, box_masks

FloatArray = NDArray[np.float64]
SIGMA = 0.25
"""Standard deviation of the Gaussian at the predicted box, in shares of its sides"""

OBJECT_METRICS = {
    "precision": "share of the A highest pixels that lie in the object's box of A pixels",
    "energy_box": "share of the map's sum that lies in the object's box",
    "energy_mask": "share of it that lies on the object's mask",
    "energy_same": "share of it that lies on other objects of its class, where there are some",
    "energy_other": "share of it that lies on objects of other classes, where there are some",
    "odi": "object discrimination index: sum on other objects over the sum on all objects; lower is better",
    "pointing": "whether the maximum lies in the box, or within 15 pixels of it at a size of 224",
    "pointing_strict": "whether the maximum lies in the box",
    "iou": "intersection over union of the box and where the map reaches 20% of its maximum",
    "compactness": "root mean squared distance from the box's centre, over half the box's diagonal",
    "offset_x": "map's centroid right of the box's, in shares of the image's shorter side",
    "offset_y": "map's centroid below the box's, in shares of the image's shorter side",
    "energy_predicted": "share of the map's sum that lies in the box that the network predicts",
}
"""Names of the metrics, and what each is; masks stand for boxes on other objects where all objects have some"""
UNBOUNDED = ("compactness", *OFFSETS)
"""Metrics that are no shares"""
PREDICTED = "energy_predicted"
UNINFORMED = ("uniform", "centred-gaussian")
BOX_ONLY = ("predicted-box", "predicted-gaussian")
"""Maps that know nothing of the network but the box that it predicts"""


def localise_object(maps: FloatArray, regions: Regions | None, predicted: FloatArray) -> dict[str, FloatArray]:
    """Return every metric of `OBJECT_METRICS` for the maps of an object, each ``(K,)``.

    Args:
        maps: ``(K, H, W)``, zero or positive.
        regions: Where the object is; None where that is not known: all but `PREDICTED` is NaN then.
        predicted: Box that the network predicts, x1, y1, x2, y2 in pixels of the map.
    """
    found = {name: np.full(len(maps), np.nan) for name in OBJECT_METRICS}
    height, width = maps.shape[1:]
    inside = box_masks(predicted[None], height, width)[0]
    found[PREDICTED] = _of_all(energy_inside, maps, inside)
    if regions is None:
        return found
    values = np.where(regions.crowd, 0, maps)
    offset = _of_all(centroid_offset, values, regions.box)
    on, same, other = ((values * each).sum((1, 2)) for each in (regions.own, regions.same, regions.other))
    has_others = regions.same.any() or regions.other.any()
    everything = on + same + other
    defined = (everything > 0) & has_others
    return found | {
        "precision": _of_all(precision_at_mask_area, values, regions.box),
        "energy_box": _of_all(energy_inside, values, regions.box),
        "energy_mask": found["energy_mask"] if regions.mask is None else _of_all(energy_inside, values, regions.mask),
        "energy_same": _of_all(energy_inside, values, regions.same),
        "energy_other": _of_all(energy_inside, values, regions.other),
        "odi": np.divide(same + other, everything, out=np.full(len(maps), np.nan), where=defined),
        "pointing": _of_all(pointing_game, values, regions.box),
        "pointing_strict": _of_all(lambda each, box: pointing_game(each, box, tolerance=0), values, regions.box),
        "iou": _of_all(iou, values, regions.box),
        "compactness": _compactness(values, regions.box),
        "offset_x": offset[:, 0],
        "offset_y": offset[:, 1],
    }


def chance_maps(height: int, width: int, predicted: FloatArray) -> dict[str, FloatArray]:
    """Return maps that know nothing of the network, or nothing but the box that it predicts, each ``(H, W)``.

    A map that is no better than one that is flat in the predicted box tells nothing beyond that box.

    Args:
        height: Of the image.
        width: Of the image.
        predicted: x1, y1, x2, y2 in its pixels.
    """
    x1, y1, x2, y2 = predicted
    down, across = (
        np.exp(-(((np.arange(side) + 0.5 - (low + high) / 2) / (SIGMA * max(high - low, 1))) ** 2) / 2)
        for side, low, high in ((height, y1, y2), (width, x1, x2))
    )
    return {
        "uniform": uniform_map(height, width)[0].double().numpy(),
        "centred-gaussian": centred_gaussian_map(height, width)[0].double().numpy(),
        "predicted-box": box_masks(predicted[None], height, width)[0].astype(np.float64),
        "predicted-gaussian": down[:, None] * across,
    }


def _of_all(
    metric: Callable[[Tensor, NDArray[np.bool_]], FloatArray], maps: FloatArray, region: NDArray[np.bool_]
) -> FloatArray:
    return metric(torch.from_numpy(maps), np.broadcast_to(region, maps.shape))


def _compactness(maps: FloatArray, box: NDArray[np.bool_]) -> FloatArray:
    rows, columns = (np.flatnonzero(box.any(axis)) for axis in (1, 0))
    down, across = (
        np.arange(side) - (lines[0] + lines[-1]) / 2 for side, lines in zip(box.shape, (rows, columns), strict=True)
    )
    half = np.hypot(len(rows), len(columns)) / 2
    total = maps.sum((1, 2))
    squares = (maps * (down[:, None] ** 2 + across**2)).sum((1, 2))
    mean = np.divide(squares, total, out=np.full(len(maps), np.nan), where=total > 0)
    return np.sqrt(mean) / half
