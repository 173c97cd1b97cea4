"""Does a map mark what the network uses? Insertion and deletion of the pixels that it ranks first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.inference.folding import fast_copy
from autola_analysis.inference.precision import precision_of

STEPS = 16
BLUR_WIDTH = 1 / 16
"""Standard deviation of the blur that insertion begins with, as a share of the shorter side."""


@dataclass(frozen=True)
class Faithfulness:
    """How the target's probability follows a map's ranking.

    Attributes:
        insertion: Area under the softmax of the target while pixels enter a blurred image, ``(B,)``; high is good.
        deletion: The same while pixels leave the image, ``(B,)``; low is good.
        insertion_curve: Softmax at each step, ``(B, steps + 1)``.
        deletion_curve: The same for deletion.
    """

    insertion: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion_curve: NDArray[np.float64]
    deletion_curve: NDArray[np.float64]


def faithfulness(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    steps: int = STEPS,
    seed: int = 0,
    batch_size: int = 64,
) -> Faithfulness:
    """Measure insertion and deletion for a batch of maps.

    Pixels enter or leave in `steps` equal portions, those with the largest value first; equal values, as in a zero
    map, in a seeded random order. Insertion starts from a Gaussian blur of the image, deletion ends at its mean per
    channel. The area is the trapezoidal rule's over the share of pixels. The network runs in evaluation mode, on a
    verified faster copy; the caller's is as before afterwards.

    Args:
        model: ``(B, 3, H, W) -> (B, K)``.
        images: ``(B, 3, H, W)``, standardised, on the model's device.
        maps: ``(B, H, W)`` or ``(B, 3, H, W)`` of the same images.
        targets: ``(B,)``.
        steps: Portions.
        seed: Of the order of equal values.
        batch_size: Images per forward.

    Raises:
        DataError: If images, maps and targets do not fit.
        OptionError: If `steps` is not positive.

    References:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
    """
    if steps < 1 or batch_size < 1:
        raise OptionError(f"steps and batch_size must be positive; found {steps} and {batch_size}.")
    if maps.shape[0] != len(images) or maps.shape[-2:] != images.shape[-2:] or targets.shape != (len(images),):
        raise DataError(
            f"maps and targets must be those of the images {tuple(images.shape)}; "
            f"found {tuple(maps.shape)} and {tuple(targets.shape)}."
        )
    ranks = torch.from_numpy(_ranks(intensities(maps), seed)).to(images.device)
    with torch.inference_mode(), torch.random.fork_rng(devices=[]), precision_of("float32", images.device):
        blurred = _blur(images)
        means = images.mean((2, 3), keepdim=True).expand_as(images)
        network = fast_copy(model, [], images[:8])
        curves = [
            _curve(network.model, inside, outside, ranks, targets.to(images.device), steps, batch_size)
            for inside, outside in ((images, blurred), (means, images))
        ]
    insertion, deletion = (curve.double().cpu().numpy() for curve in curves)
    return Faithfulness(_area(insertion), _area(deletion), insertion, deletion)


def _curve(
    model: nn.Module, inside: Tensor, outside: Tensor, ranks: Tensor, targets: Tensor, steps: int, batch_size: int
) -> Tensor:
    """Return the target's softmax with the first 0, 1, ... steps portions from `inside`, ``(B, steps + 1)``."""
    images, (height, width) = len(inside), inside.shape[2:]
    counts = torch.linspace(0, height * width, steps + 1, device=inside.device).round()
    # Every (image, step) is an image of its own; they run in full batches.
    which = torch.arange(images, device=inside.device).repeat_interleave(steps + 1)
    limits = counts.repeat(images)
    found = []
    for start in range(0, len(which), batch_size):
        rows = which[start : start + batch_size]
        chosen = (ranks[rows] < limits[start : start + batch_size, None, None])[:, None]
        logits = model(torch.where(chosen, inside[rows], outside[rows]))
        found.append(logits.float().softmax(1).gather(1, targets[rows][:, None])[:, 0])
    return torch.cat(found).view(images, steps + 1)


def _ranks(values: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Return the place of each pixel from the largest value (0) on; each image's ties in an order of its own."""
    images, height, width = values.shape
    flat = values.reshape(images, -1)
    ranks = np.empty(flat.shape, dtype=np.int64)
    for index in range(images):
        # The same for an image whatever is beside it in the batch.
        ties = np.random.default_rng(seed).permutation(flat.shape[1])
        ranks[index, np.lexsort((ties, -flat[index]))] = np.arange(flat.shape[1])
    return ranks.reshape(images, height, width)


def _blur(images: Tensor) -> Tensor:
    width = BLUR_WIDTH * min(images.shape[2:])
    reach = min(round(3 * width), (min(images.shape[2:]) - 1) // 2)  # the padding mirrors at most a whole side
    return gaussian_blur(images, [2 * reach + 1] * 2, [width] * 2)


def _area(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    area: NDArray[np.float64] = (curve[:, 1:] + curve[:, :-1]).mean(1) / 2
    return area
