"""Does a map of an object mark what the detector uses? Insertion and deletion of the pixels that it ranks first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import box_iou

from autola_analysis.analyses.saliency.faithfulness import PROBE_IMAGES, scaled_area
from autola_analysis.analyses.saliency.objects.regions import box_masks
from autola_analysis.analyses.saliency.perturbation import STEPS, blurred, emptied, portions, ranks_of
from autola_analysis.inference.candidates import Candidates, candidates_before_suppression
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.folding import fast_copy
from autola_analysis.inference.input_area import InputArea
from autola_analysis.inference.precision import precision_of
from autola_analysis.inference.resources import pass_batch_size
from autola_analysis.inference.tasks import Detection

FloatArray = NDArray[np.float64]
REACH = 2
"""Pixels that enter or leave, in areas of the object's box"""
FORWARDS_PER_MAP = 2 * STEPS
FORWARDS_PER_IMAGE = 3
"""The full image, the blurred and the emptied one"""


@dataclass(frozen=True)
class ObjectFaithfulness:
    """How surely an object is found while the pixels that K maps rank first enter or leave.

    Attributes:
        insertion_curve: See `surety`, at each step while pixels enter a blurred image, ``(K, steps + 1)``.
        deletion_curve: The same while pixels leave the image.
        emptied: The same where all pixels have left, ``(K,)``.
    """

    insertion_curve: FloatArray
    deletion_curve: FloatArray
    emptied: FloatArray

    @property
    def insertion(self) -> FloatArray:
        """Scaled area under the insertion curve, ``(K,)``; high is good. See `scaled_area`."""
        return scaled_area(self.insertion_curve, self.insertion_curve[:, 0], self.deletion_curve[:, 0])

    @property
    def deletion(self) -> FloatArray:
        """Scaled area under the deletion curve, ``(K,)``; low is good. See `scaled_area`."""
        return scaled_area(self.deletion_curve, self.emptied, self.deletion_curve[:, 0])


class PerturbedImage:
    """An image whose pixels enter and leave, before a detector.

    Args:
        detector: As `ready_to_read` gives it.
        image: ``(3, H, W)`` from 0 to 1, on the detector's device.
        batch_size: Images per forward; None chooses by the size at which the detector looks at them.
    """

    def __init__(self, detector: nn.Module, image: Tensor, batch_size: int | None = None) -> None:
        self._detector = detector
        self._full = image[None]
        self._blurred, self._emptied = blurred(self._full), emptied(self._full)
        height, width = image.shape[1:]
        side = InputArea(detector).side(height, width)
        self._batch_size = batch_size or pass_batch_size(side, image.device)
        self._still = candidates_before_suppression(detector, torch.cat([self._full, self._blurred, self._emptied]))

    def faithfulness(self, maps: FloatArray, box: FloatArray, label: int, seed: int) -> ObjectFaithfulness:
        """Measure insertion and deletion for the maps of one object.

        Pixels enter or leave in `STEPS` equal portions, up to `REACH` times the area of the box, or all where the image
        has no more; those with the largest value first, equal values in a seeded random order.

        Args:
            maps: ``(K, H, W)``.
            box: Of the object, x1, y1, x2, y2 in pixels.
            label: Output of the detector that is its class, from 1 on.
            seed: Of the order of equal values.
        """
        height, width = maps.shape[1:]
        target = torch.from_numpy(box).to(self._full)
        ranks = torch.from_numpy(ranks_of(maps, seed)).to(target.device)
        reach = min(REACH * int(box_masks(box[None], height, width).sum()), height * width)
        counts = torch.linspace(0, reach, STEPS + 1, device=target.device).round()[1:].expand(len(maps), -1)
        full, blurry, empty = (surety(each, target, label) for each in self._still)

        def curve(inside: Tensor, outside: Tensor, start: Tensor) -> FloatArray:
            inside, outside = (each.expand(len(maps), -1, -1, -1) for each in (inside, outside))
            found = [
                surety(each, target, label)
                for _, images in portions(inside, outside, ranks, counts, self._batch_size)
                for each in candidates_before_suppression(self._detector, images)
            ]
            steps = torch.stack(found).view(len(maps), STEPS)
            values: FloatArray = torch.cat([start.expand(len(maps), 1), steps], 1).double().cpu().numpy()
            return values

        return ObjectFaithfulness(
            curve(self._full, self._blurred, blurry),
            curve(self._emptied, self._full, full),
            np.full(len(maps), float(empty)),
        )


@contextmanager
def ready_to_read(detector: nn.Module, images: Tensor) -> Iterator[nn.Module]:
    """Yield a verified faster copy of a detector in evaluation mode; the caller's is as before afterwards.

    Args:
        detector: SSD or Faster R-CNN of this package.
        images: Some of those that will be read, ``(B, 3, H, W)`` from 0 to 1, on its device.
    """
    with (
        torch.inference_mode(),
        torch.random.fork_rng(devices=[]),
        precision_of("float32", images.device),
        runnable(detector, images.device) as ready,
    ):
        yield fast_copy(ready, [], images[:PROBE_IMAGES], task=Detection()).model


def surety(candidates: Candidates, box: Tensor, label: int) -> Tensor:
    """Return how surely an object is found in an image: the largest IoU with its box times probability of its class.

    The maximum over all candidates, before suppression, changes continuously with the image, which that of the one
    candidate that stands for the object at first would not: a neighbour may take its place.
    """
    products = box_iou(box[None], candidates.boxes[:, label])[0] * candidates.probabilities[:, label]
    return torch.cat([products.new_zeros(1), products]).max()
