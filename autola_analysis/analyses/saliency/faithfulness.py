"""Does a map mark what the network uses? Insertion and deletion of the pixels that it ranks first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.analyses.saliency.perturbation import STEPS, blurred, emptied, portions, ranks_of
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.inference.class_scores import log_probabilities
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.folding import fast_copy
from autola_analysis.inference.precision import precision_of
from autola_analysis.inference.tasks import Classification

PROBE_IMAGES = 8
SMALLEST_RISE = 0.2
"""Least rise of the target's softmax to the full image that an area is divided by. The area of one image varies by 0.05
to 0.07 between rankings that are drawn at random (demo networks), so that a smaller rise makes a third of the scale of
chance alone; where the blurred image is recognised as surely as the full one, there is nothing to insert."""
SCALED = ("insertion", "deletion")


@dataclass(frozen=True)
class Faithfulness:
    """How the target's probability follows a map's ranking.

    Attributes:
        insertion_curve: Probability of the target at each step while pixels enter a blurred image, ``(B, steps + 1)``.
        deletion_curve: The same while pixels leave the image.
    """

    insertion_curve: NDArray[np.float64]
    deletion_curve: NDArray[np.float64]

    @property
    def insertion(self) -> NDArray[np.float64]:
        """Scaled area under the insertion curve, ``(B,)``; high is good. See `scaled_area`."""
        return scaled_area(self.insertion_curve, self.insertion_curve[:, 0], self.insertion_curve[:, -1])

    @property
    def deletion(self) -> NDArray[np.float64]:
        """Scaled area under the deletion curve, ``(B,)``; low is good. See `scaled_area`."""
        return scaled_area(self.deletion_curve, self.deletion_curve[:, -1], self.deletion_curve[:, 0])


def faithfulness(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    steps: int = STEPS,
    seed: int = 0,
    batch_size: int = 64,
    task: Classification | None = None,
) -> Faithfulness:
    """Measure insertion and deletion for a batch of maps.

    Pixels enter or leave in `steps` equal portions, those with the largest value first; equal values, as in a zero
    map, in a seeded random order. Insertion starts from a Gaussian blur of the image, deletion ends at its mean per
    channel. The network runs in evaluation mode, on a verified faster copy; the caller's is as before afterwards.

    Args:
        model: ``(B, 3, H, W) -> (B, K)``.
        images: ``(B, 3, H, W)``, standardised, on the model's device.
        maps: ``(B, H, W)`` or ``(B, 3, H, W)`` of the same images.
        targets: ``(B,)``.
        steps: Portions.
        seed: Of the order of equal values.
        batch_size: Images per forward.
        task: What the outputs are; None: the first forward shows it.

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
    ranks = torch.from_numpy(ranks_of(intensities(maps), seed)).to(images.device)
    with (
        torch.inference_mode(),
        torch.random.fork_rng(devices=[]),
        precision_of("float32", images.device),
        runnable(model, images.device) as ready,
    ):
        network = fast_copy(ready, [], images[:PROBE_IMAGES])
        task = (task or Classification()).settled(network.model, images[:PROBE_IMAGES], network.output)
        curves = [
            _curve(network.model, inside, outside, ranks, targets.to(images.device), steps, batch_size, task)
            for inside, outside in ((images, blurred(images)), (emptied(images), images))
        ]
    return Faithfulness(*(curve.double().cpu().numpy() for curve in curves))


def area(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area under curves ``(B, steps + 1)`` over the share of pixels, by the trapezoidal rule, ``(B,)``."""
    under: NDArray[np.float64] = (curve[:, 1:] + curve[:, :-1]).mean(1) / 2
    return under


def scaled_area(
    curve: NDArray[np.float64], start: NDArray[np.float64], full: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``(area - p_start) / (p_full - p_start)``, which does not depend on how confident a network is.

    A softmax p that becomes ``a + b p`` leaves it as it was, as long as the rise stays large enough. It is 1 where the
    first portion brings the whole rise and 0 where only the last does; beyond, where parts of an image are recognised
    better than the full image or worse than the empty one.

    Args:
        curve: ``(B, steps + 1)``.
        start: What the blurred or emptied image gives, ``(B,)``.
        full: What the full one gives, ``(B,)``.

    Returns:
        ``(B,)``; NaN where the rise is below `SMALLEST_RISE`.
    """
    rise = full - start
    return np.divide(area(curve) - start, rise, out=np.full(len(curve), np.nan), where=rise >= SMALLEST_RISE)


def unscaled_warnings(title: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how many images of a network have no scaled area; that depends on the image, not on the map.

    Args:
        title: Of the network.
        rows: One per image and map; without the metrics where they were not measured.
    """
    warnings = []
    for metric, start in zip(SCALED, ("blurred", "emptied"), strict=True):
        values = {row["image"]: row[metric] for row in rows if metric in row}
        if count := sum(value != value for value in values.values()):
            warnings.append(
                f"{title}: {count} of {len(values)} images have no {metric}, because the target's softmax rises by "
                f"less than {SMALLEST_RISE} from the {start} image to the full one."
            )
    return warnings


def _curve(
    model: nn.Module,
    inside: Tensor,
    outside: Tensor,
    ranks: Tensor,
    targets: Tensor,
    steps: int,
    batch_size: int,
    task: Classification,
) -> Tensor:
    """Return the target's probability with the first 0, 1, ... steps portions from `inside`, ``(B, steps + 1)``."""
    images, (height, width) = len(inside), inside.shape[2:]
    counts = torch.linspace(0, height * width, steps + 1, device=inside.device).round().expand(images, -1)
    found = []
    for rows, portion in portions(inside, outside, ranks, counts, batch_size):
        shares = log_probabilities(task.scores(model(portion)), task.read_as).exp()
        found.append(shares.gather(1, targets[rows][:, None])[:, 0])
    return torch.cat(found).view(images, steps + 1)
