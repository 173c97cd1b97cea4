"""Images of which only the pixels that a map ranks first are there, or are gone, portion by portion."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

STEPS = 16
"""Portions in which pixels enter or leave"""
BLUR_WIDTH = 1 / 16
"""Standard deviation of the blur that insertion begins with, as a share of the shorter side."""


def blurred(images: Tensor) -> Tensor:
    """Return what insertion begins with: a Gaussian blur of images ``(B, C, H, W)``."""
    width = BLUR_WIDTH * min(images.shape[2:])
    reach = min(round(3 * width), (min(images.shape[2:]) - 1) // 2)  # the padding mirrors at most a whole side
    return gaussian_blur(images, [2 * reach + 1] * 2, [width] * 2)


def emptied(images: Tensor) -> Tensor:
    """Return what deletion leads to: every channel's mean in place of all of its pixels."""
    return images.mean((2, 3), keepdim=True).expand_as(images)


def ranks_of(values: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Return the place of each pixel from the largest value (0) on; each map's ties in an order of its own.

    Args:
        values: ``(B, H, W)``.
        seed: Of the order of equal values.
    """
    images, height, width = values.shape
    flat = values.reshape(images, -1)
    ranks = np.empty(flat.shape, dtype=np.int64)
    for index in range(images):
        # The same for an image whatever is beside it in the batch.
        ties = np.random.default_rng(seed).permutation(flat.shape[1])
        ranks[index, np.lexsort((ties, -flat[index]))] = np.arange(flat.shape[1])
    return ranks.reshape(images, height, width)


def portions(
    inside: Tensor, outside: Tensor, ranks: Tensor, counts: Tensor, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images with the first pixels of some from `inside` and the rest from `outside`, in full batches.

    Args:
        inside: ``(B, C, H, W)``.
        outside: The same.
        ranks: Place of each pixel, the first is 0, ``(B, H, W)``.
        counts: How many pixels are taken at every step, ``(B, S)``.
        batch_size: Images per batch, at most.

    Yields:
        The number of the map of each image ``(n,)``, and the images ``(n, C, H, W)``: all steps of the first map, then
        those of the second, ...
    """
    which = torch.arange(len(ranks), device=ranks.device).repeat_interleave(counts.shape[1])
    limits = counts.flatten()
    for start in range(0, len(which), batch_size):
        rows = which[start : start + batch_size]
        chosen = (ranks[rows] < limits[start : start + batch_size, None, None])[:, None]
        yield rows, torch.where(chosen, inside[rows], outside[rows])
