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
    counts = membership.sum(0)
    samples = torch.empty(len(rows), dtype=torch.float64)
    indirect = torch.zeros(n, dtype=torch.float64)
    for start, part in row_blocks(rows, n):
        distances = points.distances_to_all(part)
        sums = (distances @ membership.to(distances.device)).cpu()
        block = _Block.of(sums, counts, classes[part])
        samples[start : start + len(part)] = block.silhouette
        indirect += _through_distances(distances, block, classes, counts)
        indirect[part] += block.to_itself(counts)
    indirect = indirect[torch.from_numpy(rows)] * (n / len(rows))
    influence = samples + indirect - indirect.mean()
    return Silhouettes(samples.numpy(), influence.numpy())


@dataclass(frozen=True)
class _Block:
    """Mean distances of a block of images, their silhouettes and the derivatives of these; each ``(R,)``."""

    own: Tensor
    other: Tensor
    within: Tensor
    between: Tensor
    silhouette: Tensor
    by_within: Tensor
    by_between: Tensor

    @classmethod
    def of(cls, sums: Tensor, counts: Tensor, own: Tensor) -> _Block:
        """Make a block of its summed distances to every class, ``(R, C)``."""
        others = counts[own] - 1
        a = sums.gather(1, own[:, None]).squeeze(1) / others.clamp(min=1)
        b, other = (sums / counts).scatter(1, own[:, None], torch.inf).min(1)
        larger = torch.maximum(a, b)
        defined = (others > 0) & (larger > 0)
        nothing = torch.zeros_like(a)
        silhouette = torch.where(defined, (b - a) / larger, nothing)
        by_within = torch.where(defined, torch.where(a < b, -1 / b, -b / a.square()), nothing)
        by_between = torch.where(defined, torch.where(a < b, a / b.square(), 1 / a), nothing)
        return cls(own, other, a, b, silhouette, by_within, by_between)

    def to_itself(self, counts: Tensor) -> Tensor:
        """Return what takes out again that an image counts as another of its own class, at distance 0."""
        return self.by_within * self.within / (counts[self.own] - 1).clamp(min=1)


def _through_distances(distances: Tensor, block: _Block, classes: Tensor, counts: Tensor) -> Tensor:
    """Return the influence of all images ``(N,)`` through the mean distances of a block of images."""
    rows = torch.arange(len(distances))
    weight = torch.zeros(len(distances), len(counts), dtype=torch.float64)
    weight[rows, block.own] = block.by_within / (counts[block.own] - 1).clamp(min=1)
    weight[rows, block.other] = block.by_between / counts[block.other]
    offset = weight[rows, block.own] * block.within
    expected = torch.zeros(len(counts), dtype=torch.float64)
    expected.index_add_(0, block.own, offset)
    expected.index_add_(0, block.other, weight[rows, block.other] * block.between)
    # Two classes of a row have a weight: a gather costs R x N whatever the number of classes.
    on_device = distances.device
    per_image = weight.to(on_device).index_select(1, classes.to(on_device)).mul_(distances).sum(0)
    return per_image.cpu() - expected[classes]
