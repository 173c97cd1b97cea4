"""How good features and an embedding of them are: class separation, and what the plane keeps of the neighbourhoods.

Every metric but the divergence is a mean over images. Its interval is a bootstrap over images: of their influence
values, where an image also bears on the values of others as their neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.neighbours import Neighbours, nearest_neighbours, others_of_each
from autola_analysis.analyses.embedding.preservation import recall_samples, trustworthiness_samples
from autola_analysis.analyses.embedding.probe import FOLDS, linear_probe
from autola_analysis.analyses.embedding.silhouette import silhouettes
from autola_analysis.analyses.embedding.votes import NeighbourAccuracy, candidates, knn_accuracies
from autola_analysis.statistics.groups import by_group
from autola_analysis.statistics.intervals import bootstrap_interval

K = 10
SWEEP = (1, 5, 10, 20, 50)
"""Numbers of neighbours whose accuracies stand in a table of their own."""
SAMPLE = 20_000
"""Images whose distances to all others are measured; from larger sets so many are drawn."""
SEPARATION = ("knn_accuracy", "silhouette")
"""Metrics of the classes that both spaces have."""
PROBE = "linear_probe_accuracy"

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Metric:
    """One number with its interval over images.

    Attributes:
        space: "features" or "plane".
        name: Of the metric.
        value: The number; NaN where it is not defined.
        interval: 95% bootstrap interval; NaN where there is none.
        samples: Per image, ``(N,)``, NaN for images that were not drawn; None for a metric that is no mean over images.
        influence: The value plus the influence of each image on it, ``(N,)``, which intervals are made of; None where
            that is what `samples` holds.
        k: Number of neighbours, of a row of the sweep; None for all others.
    """

    space: str
    name: str
    value: float
    interval: tuple[float, float] = (float("nan"), float("nan"))
    samples: FloatArray | None = None
    influence: FloatArray | None = None
    k: int | None = None


@dataclass(frozen=True)
class Quality:
    """What was measured in one space.

    Attributes:
        metrics: At one number of neighbours.
        sweep: Accuracy of the nearest neighbours at several numbers of them; nothing without labels.
        warnings: Sentences that belong beside them, without the name of the features.
    """

    metrics: Sequence[Metric] = ()
    sweep: Sequence[Metric] = ()
    warnings: Sequence[str] = ()


def neighbour_count(images: int) -> int:
    """Return the k of the metrics: 10, or what trustworthiness allows with few images (k < n / 2)."""
    return min(K, (images - 1) // 2)


def sweep_counts(images: int) -> list[int]:
    """Return the k of the sweep that fewer than half of the images allow."""
    return [k for k in SWEEP if k <= (images - 1) // 2]


def neighbours_needed(images: int) -> int:
    """Return how many neighbours of every image the metrics look at."""
    return min(images - 1, candidates(max(neighbour_count(images), *sweep_counts(images))))


def feature_quality(
    values: NDArray[Any],
    labels: IntArray,
    neighbours: Neighbours,
    device: str = "auto",
    seed: int = 0,
    probe: bool = True,
    groups: IntArray | None = None,
) -> Quality:
    """Return how well the features separate the classes: neighbours, silhouette, linear probe; nothing without labels.

    See `plane_quality` for the arguments; `probe` says whether the linear probe is fitted.
    """
    if not _labelled(labels):
        return Quality()
    metrics, sweep = _separation("features", values, labels, neighbours, device, seed, groups)
    warnings = []
    if probe:
        found = linear_probe(values, labels, seed, groups)
        metrics.append(_mean("features", PROBE, found.correct.astype(float), seed, groups=groups))
        if found.unfinished:
            warnings.append(
                f"the linear probe had not converged in {found.unfinished} of its {FOLDS} folds; its accuracy may be "
                "too low."
            )
    voters = others_of_each(len(labels), groups) + 1
    left_out = [k for k in SWEEP if k not in sweep_counts(voters)]
    if left_out:
        many = ", ".join(map(str, left_out))
        warnings.append(
            f"the accuracy of k = {many} nearest neighbours is left out; k is to be less than half of the "
            f"{'images' if groups is None else 'objects that are in other images'}, and there are {voters}."
        )
    return Quality(metrics, sweep, tuple(warnings))


def plane_quality(
    coords: FloatArray,
    kl_divergence: float,
    values: NDArray[Any],
    labels: IntArray,
    neighbours: Neighbours,
    plane_neighbours: Neighbours,
    device: str = "auto",
    seed: int = 0,
    groups: IntArray | None = None,
) -> Quality:
    """Return class separation in the plane, where there are labels, and how much of the neighbourhoods the plane keeps.

    Args:
        coords: Positions, ``(N, 2)``.
        kl_divergence: Of the positions; NaN for methods without one.
        values: Features, ``(N, D)``.
        labels: ``(N,)``; -1 where the classes are not known.
        neighbours: In the feature space, `neighbours_needed` of them at least.
        plane_neighbours: In the plane, as many.
        device: Where to compute.
        seed: Of the bootstrap, of the images drawn from a large set, and of the folds of the linear probe.
        groups: Group of every item, ``(N,)``: intervals are over groups, and how classes are separated is measured
            without the others of a group. None where each is its own.
    """
    k = neighbour_count(len(labels))
    rows = _rows(len(labels), seed)
    near, near_in_plane = neighbours.indices[:, :k], plane_neighbours.indices[:, :k]
    trusted = trustworthiness_samples(values, near_in_plane, rows, neighbours.metric, device)
    separation: list[Metric] = []
    sweep: list[Metric] = []
    if _labelled(labels):
        separation, sweep = _separation("plane", coords, labels, plane_neighbours, device, seed, groups)
    kept = [
        _mean("plane", "trustworthiness", _spread(trusted, rows, len(labels)), seed, groups=groups),
        _mean("plane", "knn_recall", recall_samples(near, near_in_plane), seed, groups=groups),
        Metric("plane", "kl_divergence", kl_divergence),
    ]
    return Quality([*separation, *kept], sweep)


def undefined_plane(labelled: bool) -> Quality:
    """Return the quality of positions that are not finite."""
    names = (*(SEPARATION if labelled else ()), "trustworthiness", "knn_recall", "kl_divergence")
    return Quality([Metric("plane", name, float("nan")) for name in names])


def _separation(
    space: str,
    values: NDArray[Any],
    labels: IntArray,
    neighbours: Neighbours,
    device: str,
    seed: int,
    groups: IntArray | None,
) -> tuple[list[Metric], list[Metric]]:
    """Return accuracy of the nearest neighbours and silhouette, and the sweep."""
    images = len(labels)
    rows = _rows(images, seed)
    voters = others_of_each(images, groups) + 1
    k, counts = neighbour_count(voters), sweep_counts(voters)
    if groups is not None:
        needed = neighbours_needed(voters)
        neighbours = nearest_neighbours(values, needed, neighbours.metric, device, groups=groups)
    accuracies = knn_accuracies(neighbours.indices, labels, sorted({k, *counts}), seed)
    found = silhouettes(values, labels, rows, neighbours.metric, device, groups)
    samples, influence = (_spread(each, rows, images) for each in (found.samples, found.influence))
    metrics = [
        _knn(space, "knn_accuracy", accuracies[k], seed, groups),
        _mean(space, "silhouette", samples, seed, influence, groups),
    ]
    return metrics, [replace(_knn(space, f"knn_accuracy_{k}", accuracies[k], seed, groups), k=k) for k in counts]


def _knn(space: str, name: str, accuracy: NeighbourAccuracy, seed: int, groups: IntArray | None) -> Metric:
    return _mean(space, name, accuracy.correct.astype(float), seed, accuracy.influence, groups)


def _labelled(labels: IntArray) -> bool:
    return bool((labels >= 0).any())


def _mean(
    space: str,
    name: str,
    samples: FloatArray,
    seed: int,
    influence: FloatArray | None = None,
    groups: IntArray | None = None,
) -> Metric:
    rated = samples[~np.isnan(samples)]
    if not len(rated):
        return Metric(space, name, float("nan"), samples=samples, influence=influence)
    decisive = samples if influence is None else influence
    drawn = decisive[~np.isnan(decisive)] if groups is None else by_group(decisive, groups)
    interval = bootstrap_interval(drawn, seed)
    return Metric(space, name, float(rated.mean()), interval, samples, influence)


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
