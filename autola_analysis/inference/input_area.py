"""Which part of a detector's input an image fills: detectors bring images to size and pad them themselves."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform


def done_inside(model: nn.Module) -> str:
    """Return in words what a detector itself does to the images that it is given; "" for nothing."""
    transform = getattr(model, "transform", None)
    if not isinstance(transform, GeneralizedRCNNTransform):
        return ""
    sides = f"resize {transform.min_size[-1]} (the longer side at most {transform.max_size})"
    if transform.fixed_size is not None:
        sides = "stretch {} x {}".format(*transform.fixed_size)
    mean, std = (", ".join(f"{value:.4g}" for value in of) for of in (transform.image_mean, transform.image_std))
    return f"{sides}, mean ({mean}), std ({std})"


class InputArea:
    """Where images lie in the maps of a detector: at their upper left, beside what pads them.

    Args:
        model: A detector, in any mode; one without torchvision's transform takes images as they are.
    """

    def __init__(self, model: nn.Module) -> None:
        transform = getattr(model, "transform", None)
        self._transform: nn.Module | None = None
        if isinstance(transform, GeneralizedRCNNTransform):
            self._transform = copy.deepcopy(transform).eval()
        self._shares: dict[tuple[int, int], tuple[float, float]] = {}

    def shares(self, height: int, width: int) -> tuple[float, float]:
        """Return the shares of the input's width and height that images of a size fill.

        Args:
            height: Of images that run together, as the detector is given them.
            width: Likewise.
        """
        if (height, width) not in self._shares:
            (down, across), (whole_down, whole_across) = self._sizes(height, width)
            self._shares[height, width] = across / whole_across, down / whole_down
        return self._shares[height, width]

    def side(self, height: int, width: int) -> int:
        """Return the longer side, in pixels, of the input that is made of images of a size, what pads them included."""
        return max(self._sizes(height, width)[1])

    def _sizes(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return height and width of an image, and of what it is padded to."""
        if self._transform is None:
            return (height, width), (height, width)
        made, _ = self._transform([torch.zeros(3, height, width)])
        down, across = made.tensors.shape[-2:]
        return made.image_sizes[0], (down, across)
