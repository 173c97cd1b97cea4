"""How good features and an embedding of them are: class separation, and what the plane keeps of the neighbourhoods.

Every metric but the divergence is a mean over images, so that a bootstrap over images gives its interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.neighbours import Neighbours, Points
from autola_analysis.analyses.embedding.options import Metric as Distance
from autola_analysis.core.columns import INTERVAL, MODEL, Column, number, text
from autola_analysis.core.device import resolve_device
from autola_analysis.core.tables import Table
from autola_analysis.statistics.intervals import bootstrap_interval

QUALITY = Table(
    "embedding_quality",
    (
        *MODEL,
        text("layer", "name of the layer"),
        text("space", "features or plane"),
        text("metric", "what is measured"),
        Column("seed", "whole", "seed of the embedding; missing for the feature space, which has none"),
        number("value", "mean over images; the KL divergence is a number of the whole embedding"),
        *INTERVAL,
    ),
    latex=True,
)
K = 10
SAMPLE = 20_000
"""Images whose distances to all others are measured; from larger sets so many are drawn."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DISTANCES = 2**23  # float64 distances held at once
TIE = 1e-7  # of the mean distance: what rounding leaves between equal distances, at most


@dataclass(frozen=True)
class Metric:
    """One number with its interval over images.

    Attributes:
        space: "features" or "plane".
        name: Of the metric.
        value: The number; NaN where it is not defined.
        interval: 95% bootstrap interval; NaN where there is none.
        samples: Per image, ``(N,)``, NaN for images that were not drawn; None for a metric that is no mean over images.
    """

    space: str
    name: str
    value: float
    interval: tuple[float, float] = (float("nan"), float("nan"))
    samples: FloatArray | None = None


def neighbour_count(images: int) -> int:
    """Return the k of the metrics: 10, or what trustworthiness allows with few images (k < n / 2)."""
    return min(K, (images - 1) // 2)


def feature_metrics(
    values: NDArray[Any], labels: IntArray, neighbours: Neighbours, device: str = "auto", seed: int = 0
) -> list[Metric]:
    """Return the accuracy of the k nearest neighbours and the silhouette in the feature space; nothing without labels.

    See `plane_metrics` for the arguments.
    """
    if not _labelled(labels):
        return []
    k = neighbour_count(len(labels))
    correct = knn_correct(neighbours.indices[:, :k], labels)
    rows = _rows(len(labels), seed)
    silhouettes = silhouette_samples(values, labels, rows, neighbours.metric, device)
    return [
        _mean("features", "knn_accuracy", correct.astype(float), seed),
        _mean("features", "silhouette", _spread(silhouettes, rows, len(labels)), seed),
    ]


def plane_metrics(
    coords: FloatArray,
    kl_divergence: float,
    values: NDArray[Any],
    labels: IntArray,
    neighbours: Neighbours,
    plane_neighbours: Neighbours,
    device: str = "auto",
    seed: int = 0,
) -> list[Metric]:
    """Return class separation in the plane, where there are labels, and how much of the neighbourhoods the plane keeps.

    Args:
        coords: Positions, ``(N, 2)``.
        kl_divergence: Of the positions; NaN for methods without one.
        values: Features, ``(N, D)``.
        labels: ``(N,)``; -1 where the classes are not known.
        neighbours: In the feature space.
        plane_neighbours: In the plane.
        device: Where to compute.
        seed: Of the bootstrap.
    """
    k = neighbour_count(len(labels))
    rows = _rows(len(labels), seed)
    near, near_in_plane = neighbours.indices[:, :k], plane_neighbours.indices[:, :k]
    trusted = trustworthiness_samples(values, near_in_plane, rows, neighbours.metric, device)
    separation = []
    if _labelled(labels):
        silhouettes = silhouette_samples(coords, labels, rows, "euclidean", device)
        separation = [
            _mean("plane", "knn_accuracy", knn_correct(near_in_plane, labels).astype(float), seed),
            _mean("plane", "silhouette", _spread(silhouettes, rows, len(labels)), seed),
        ]
    return [
        *separation,
        _mean("plane", "trustworthiness", _spread(trusted, rows, len(labels)), seed),
        _mean("plane", "knn_recall", recall_samples(near, near_in_plane), seed),
        Metric("plane", "kl_divergence", kl_divergence),
    ]


def quality_table(model: str, run: str, layer: str, metrics: list[Metric], seed: int) -> pd.DataFrame:
    """Return metrics as rows with the columns of `QUALITY`; the seed belongs to the plane alone."""
    rows = [
        {
            "model": model,
            "run": run,
            "layer": layer,
            "space": metric.space,
            "metric": metric.name,
            "seed": seed if metric.space == "plane" else None,
            "value": metric.value,
            "ci_low": metric.interval[0],
            "ci_high": metric.interval[1],
        }
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=QUALITY.names).astype({"seed": "Int64"})


def knn_correct(near: IntArray, labels: IntArray) -> NDArray[np.bool_]:
    """Return for every image whether the majority of its nearest others ``(N, k)`` has its label.

    Among classes with equally many votes the one with the smallest label wins, as in scikit-learn.
    """
    classes = int(labels.max()) + 1
    correct = np.empty(len(labels), dtype=bool)
    step = max(1, DISTANCES // classes)
    for start in range(0, len(labels), step):
        part = slice(start, start + step)
        votes_for = labels[near[part]]
        flat = votes_for + np.arange(len(votes_for))[:, None] * classes
        votes = np.bincount(flat.ravel(), minlength=len(votes_for) * classes).reshape(-1, classes)
        correct[part] = votes.argmax(axis=1) == labels[part]
    return correct


@torch.inference_mode()
def silhouette_samples(
    values: NDArray[Any],
    labels: IntArray,
    rows: IntArray | None = None,
    metric: Distance = "euclidean",
    device: str = "auto",
) -> FloatArray:
    """Return the silhouette of some images (default: all): (b - a) / max(a, b).

    a is the mean distance to the other images of the own class, b the smallest mean distance to those of another. The
    only image of a class has silhouette 0, as in scikit-learn; with a single class all are NaN.

    References:
        Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987.
    """
    rows = np.arange(len(labels)) if rows is None else rows
    present, compact = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        return np.full(len(rows), np.nan)
    points = Points(values, metric, resolve_device(device))
    membership = torch.nn.functional.one_hot(torch.from_numpy(compact)).to(torch.float64)
    counts = membership.sum(0)
    result = np.empty(len(rows))
    for start, part in _parts(rows, len(labels)):
        distances = points.distances_to_all(part)
        sums = (distances @ membership.to(distances.device)).cpu()
        own = torch.from_numpy(compact[part])[:, None]
        others = counts[own] - 1
        within = (sums.gather(1, own) / others.clamp(min=1)).squeeze(1)
        between = (sums / counts).scatter(1, own, torch.inf).amin(1)
        larger = torch.maximum(within, between)
        silhouette = torch.where(larger > 0, (between - within) / larger, 0)
        result[start : start + len(part)] = torch.where(others.squeeze(1) > 0, silhouette, 0).numpy()
    return result


@torch.inference_mode()
def trustworthiness_samples(
    values: NDArray[Any],
    near_in_plane: IntArray,
    rows: IntArray | None = None,
    metric: Distance = "euclidean",
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
    points = Points(values, metric, resolve_device(device))
    result = np.empty(len(rows))
    for start, part in _parts(rows, n):
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


def _labelled(labels: IntArray) -> bool:
    return bool((labels >= 0).any())


def _mean(space: str, name: str, samples: FloatArray, seed: int) -> Metric:
    rated = samples[~np.isnan(samples)]
    if not len(rated):
        return Metric(space, name, float("nan"), samples=samples)
    return Metric(space, name, float(rated.mean()), bootstrap_interval(rated, seed), samples)


def _spread(values: FloatArray, rows: IntArray, images: int) -> FloatArray:
    """Return the values of some images at their places among all; NaN elsewhere."""
    samples = np.full(images, np.nan)
    samples[rows] = values
    return samples


def _rows(images: int, seed: int) -> IntArray:
    """Return the images whose distances to all others are measured: all, or a seeded sample of a large set."""
    if images <= SAMPLE:
        return np.arange(images)
    return np.sort(np.random.default_rng([seed, 4]).choice(images, SAMPLE, replace=False))


def _parts(rows: IntArray, images: int) -> list[tuple[int, IntArray]]:
    step = int(np.clip(DISTANCES // images, 64, 1024))
    return [(start, rows[start : start + step]) for start in range(0, len(rows), step)]
