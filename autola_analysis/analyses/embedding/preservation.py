"""What a plane keeps of the neighbourhoods of the feature space, per image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.neighbours import Points, row_blocks
from autola_analysis.analyses.embedding.options import Metric
from autola_analysis.core.device import float64_device

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TIE = 1e-7  # of the mean distance: what rounding leaves between equal distances, at most


@torch.inference_mode()
def trustworthiness_samples(
    values: NDArray[Any],
    near_in_plane: IntArray,
    rows: IntArray | None = None,
    metric: Metric = "euclidean",
    device: str = "auto",
) -> FloatArray:
    """Return each image's share in the trustworthiness, whose mean over all images is the metric.

    With r(i, j) the rank of j among the neighbours of i in the feature space:
    ``1 - 2 / (k (2n - 3k - 1)) * sum over the k neighbours j of i in the plane of max(0, r(i, j) - k)``.
    Images that are equally distant, to 1e-7 of the mean distance, share the best of their ranks.

    Args:
        values: Features, ``(N, D)``.
        near_in_plane: Nearest others in the plane, ``(N, k)``.
        rows: Images to rate; None takes all.
        metric: Of the feature space.
        device: Where to compute.

    References:
        Venna and Kaski, "Neighborhood preservation in nonlinear projection methods", 2001.
    """
    n, k = near_in_plane.shape
    rows = np.arange(n) if rows is None else rows
    points = Points(values, metric, float64_device(device))
    result = np.empty(len(rows))
    for start, part in row_blocks(rows, n):
        distances = points.distances_to_all(part)
        equal = TIE * distances.mean(1, keepdim=True)
        distances[torch.arange(len(part)), torch.from_numpy(part)] = torch.inf
        near = torch.from_numpy(near_in_plane[part]).to(distances.device)
        limits = distances.gather(1, near) - equal
        ranks = torch.stack([1 + (distances < limits[:, [j]]).sum(1) for j in range(k)], 1)
        penalties = (ranks - k).clamp(min=0).sum(1)
        result[start : start + len(part)] = 1 - penalties.cpu().numpy() * 2 / (k * (2 * n - 3 * k - 1))
    return result


def recall_samples(near: IntArray, near_in_plane: IntArray) -> FloatArray:
    """Return for every image the share of its k nearest others that stay among its k nearest in the plane."""
    both = np.sort(np.concatenate([near, near_in_plane], axis=1), axis=1)
    shared: FloatArray = (both[:, 1:] == both[:, :-1]).sum(axis=1) / near.shape[1]
    return shared
