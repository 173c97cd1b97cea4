"""Where the maps of one joint lie: around it, around its partner on the other side, around other joints."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.localisation import (
    OFFSETS,
    centred_gaussian_map,
    energy_inside,
    uniform_map,
)
from autola_analysis.analyses.saliency.objects.localise import localise_object
from autola_analysis.analyses.saliency.objects.regions import Regions

FloatArray = NDArray[np.float64]
Masks = NDArray[np.bool_]
JOINT_METRICS = {
    "precision": "share of the A highest pixels that lie in the joint's disc of A pixels",
    "energy_disc": "share of the map's sum that lies in the joint's disc",
    "energy_partner": "share of it in the disc of the same joint of the other side, where that is labelled",
    "energy_other": "share of it in the discs of the other joints",
    "odi": "discrimination index: sum in the discs of other joints over the sum in all discs; lower is better",
    "pointing": "whether the maximum lies in the disc, or within 15 pixels of it at a size of 224",
    "pointing_strict": "whether the maximum lies in the disc",
    "iou": "intersection over union of the disc and where the map reaches 20% of its maximum",
    "offset_x": "map's centroid right of the disc's, in shares of the crop's shorter side",
    "offset_y": "map's centroid below the disc's, in shares of the crop's shorter side",
    "energy_predicted": "share of the map's sum that lies in a disc of this size around the maximum of the heat map",
}
"""Names of the metrics, and what each is"""
UNBOUNDED = OFFSETS
OF_OBJECTS = {"energy_box": "energy_disc", "energy_same": "energy_partner"}
"""What metrics of objects are called of joints, where that is another name"""
UNINFORMED = ("uniform", "centred-gaussian")
PREDICTED = "predicted-disc"
"""A map that knows nothing of the network but where it puts the joint"""


def localise_joint(
    maps: FloatArray, discs: Masks, joint: int, partner: int | None, predicted: Masks
) -> dict[str, FloatArray]:
    """Return every metric of `JOINT_METRICS` for the maps of a joint, each ``(K,)``.

    Args:
        maps: ``(K, H, W)``, zero or positive.
        discs: Around every joint of the person, empty where one is not labelled, ``(J, H, W)``.
        joint: Number of the joint.
        partner: Number of the same joint of the other side; None where there is none.
        predicted: Disc around the maximum of the heat map, ``(H, W)``.
    """
    own, nothing = discs[joint], np.zeros_like(discs[joint])
    same = nothing if partner is None else discs[partner] & ~own
    rest = np.delete(discs, [joint] if partner is None else [joint, partner], 0).any(0) & ~own & ~same
    found = localise_object(maps, Regions(own, None, same, rest, nothing), np.array([0.0, 0.0, 1.0, 1.0]))
    named = {OF_OBJECTS.get(name, name): values for name, values in found.items()}
    if not same.any():
        named["energy_partner"] = np.full(len(maps), np.nan)
    named["energy_predicted"] = energy_inside(torch.from_numpy(maps), np.broadcast_to(predicted, maps.shape))
    return {name: named[name] for name in JOINT_METRICS}


def chance_maps(height: int, width: int, predicted: Masks) -> dict[str, FloatArray]:
    """Return maps that know nothing of the network, or nothing but where it puts the joint, each ``(H, W)``.

    A map that is no better than one that is flat around the predicted joint tells nothing beyond that place.

    Args:
        height: Of the crop.
        width: Of the crop.
        predicted: Disc around the maximum of the heat map.
    """
    return {
        "uniform": uniform_map(height, width)[0].double().numpy(),
        "centred-gaussian": centred_gaussian_map(height, width)[0].double().numpy(),
        PREDICTED: predicted.astype(np.float64),
    }
