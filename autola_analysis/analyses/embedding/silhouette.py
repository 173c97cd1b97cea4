"""Silhouettes, and the influence of every image on their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.embedding.neighbours import Points, row_blocks
from autola_analysis.analyses.embedding.options import Metric
from autola_analysis.core.device import float64_device

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Silhouettes:
    """Silhouettes of some images.

    Attributes:
        samples: Silhouette of every image, ``(R,)``.
        influence: Mean silhouette plus the influence of each image on it, ``(R,)``; their mean is the mean silhouette.
    """

    samples: FloatArray
    influence: FloatArray


@torch.inference_mode()
def silhouettes(
    values: NDArray[Any],
    labels: IntArray,
    rows: IntArray | None = None,
    metric: Metric = "euclidean",
    device: str = "auto",
    groups: IntArray | None = None,
) -> Silhouettes:
    """Return the silhouette of some images (default: all), ``(b - a) / max(a, b)``, and their influence on its mean.

    a is the mean distance to the other images of the own class, b the smallest mean distance to those of another. The
    only image of a class has silhouette 0, as in scikit-learn; with a single class all are NaN.

    Another sample of images changes the mean silhouette S in two ways: other images have silhouettes, and the
    distances a and b of each are to others. A bootstrap of silhouettes sees the first alone. The derivative of S with
    respect to the weight of image j (the infinitesimal jackknife) sees both::

        I_j = (s_j - S) + sum over i of j's class, but j, of (ds_i/da) (d_ij - a_i) / (n_c - 1)
                        + sum over i whose nearest other class is j's of (ds_i/db) (d_ij - b_i) / n_c

    with n_c the size of j's class, ``ds/da = -1/b, ds/db = a/b^2`` where a < b, else ``ds/da = -b/a^2, ds/db = 1/a``.
    The mean of S + I_j is S. Where only some images are rated, each sum is taken over those and scaled up to all, and
    the mean is set to S.

    Args:
        values: ``(N, D)``.
        labels: ``(N,)``.
        rows: Images to rate; None takes all.
        metric: Of the distances.
        device: Where to compute.
        groups: Group of every image, ``(N,)``: of two images of a group neither is one of the others of the other.
            None where each is its own group.

    References:
        Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987.
        Efron, "The jackknife, the bootstrap and other resampling plans", 1982, chapter 6.
    """
    n = len(labels)
    rows = np.arange(n) if rows is None else rows
    present, compact = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        nothing = np.full(len(rows), np.nan)
        return Silhouettes(nothing, nothing)
    points = Points(values, metric, float64_device(device))
    classes = torch.from_numpy(compact)
    membership = torch.nn.functional.one_hot(classes).to(torch.float64)
    own_group = torch.from_numpy(np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1])
    grouped = torch.zeros(int(own_group.max()) + 1, len(present), dtype=torch.float64)
    grouped.index_add_(0, own_group, membership)
    counts = membership.sum(0)
    samples = torch.empty(len(rows), dtype=torch.float64)
    indirect = torch.zeros(n, dtype=torch.float64)
    for start, part in row_blocks(rows, n):
        distances = points.distances_to_all(part)
        together = (own_group[part][:, None] == own_group).to(distances.device)
        distances.masked_fill_(together, 0)
        sums = (distances @ membership.to(distances.device)).cpu()
        block = _Block.of(sums, counts - grouped[own_group[part]], classes[part])
        samples[start : start + len(part)] = block.silhouette
        indirect += _through_distances(distances, together, block, classes)
    indirect = indirect[torch.from_numpy(rows)] * (n / len(rows))
    influence = samples + indirect - indirect.mean()
    return Silhouettes(samples.numpy(), influence.numpy())


@dataclass(frozen=True)
class _Block:
    """Mean distances of a block of images, their silhouettes, and what these change by with a distance.

    Attributes:
        silhouette: ``(R,)``.
        weight: Derivative of an image's silhouette by its distance to one image of a class, ``(R, C)``.
        mean: Its mean distance to the images of a class, where that has a weight, ``(R, C)``.
    """

    silhouette: Tensor
    weight: Tensor
    mean: Tensor

    @classmethod
    def of(cls, sums: Tensor, counts: Tensor, own: Tensor) -> _Block:
        """Make a block of its summed distances to every class, and to how many images these are, ``(R, C)`` each."""
        means = torch.where(counts > 0, sums / counts, torch.inf)
        a = means.gather(1, own[:, None]).squeeze(1)
        b, other = means.scatter(1, own[:, None], torch.inf).min(1)
        larger = torch.maximum(a, b)
        defined = larger.isfinite() & (larger > 0)
        nothing = torch.zeros_like(a)
        silhouette = torch.where(defined, (b - a) / larger, nothing)
        by_within = torch.where(defined, torch.where(a < b, -1 / b, -b / a.square()), nothing)
        by_between = torch.where(defined, torch.where(a < b, a / b.square(), 1 / a), nothing)
        weight = torch.zeros_like(sums)
        for classes, derivative in ((own, by_within), (other, by_between)):
            weight.scatter_(1, classes[:, None], derivative[:, None])
        return cls(silhouette, weight / counts.clamp(min=1), torch.where(weight != 0, means, 0.0))


def _through_distances(distances: Tensor, together: Tensor, block: _Block, classes: Tensor) -> Tensor:
    """Return the influence of all images ``(N,)`` through the mean distances of a block of images.

    Args:
        distances: Of the block to all images, ``(R, N)``; zero within a group.
        together: Whether two images are of one group, ``(R, N)``.
        block: Of the images.
        classes: Of all images, ``(N,)``.
    """
    # Two classes of a row have a weight: a gather costs R x N whatever the number of classes.
    of_images = classes.to(distances.device)
    weight, expected = (
        each.to(distances.device).index_select(1, of_images) for each in (block.weight, block.weight * block.mean)
    )
    return (weight.mul_(distances) - expected.masked_fill_(together, 0)).sum(0).cpu()
