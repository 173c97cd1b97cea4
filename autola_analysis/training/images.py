"""Training images: decoded once, augmented a batch at a time, as uint8 tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from autola_analysis.core.errors import DataError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.training.recipes import Recipe

Pixels = TypeVar("Pixels", bound=NDArray[np.uint8] | Tensor)

KEPT_BYTES = 2**30
"""Decoded images that one training keeps in memory, over all its processes: CIFAR-10 takes 0.15 GB. A decoding process
of one core gives some 2,000 such images a second, far fewer than a GPU trains on."""


class Kept(Generic[Pixels]):
    """Images by index, each made once while there is room for it.

    Args:
        make: Returns an image.
        free: Bytes that may be kept.
    """

    def __init__(self, make: Callable[[int], Pixels], free: int) -> None:
        self._make = make
        self._free = free
        self._kept: dict[int, Pixels] = {}

    def __call__(self, index: int) -> Pixels:
        """Return an image; whoever changes it changes what is kept."""
        if index in self._kept:
            return self._kept[index]
        image = self._make(index)
        if image.nbytes <= self._free:
            self._kept[index] = image
            self._free -= image.nbytes
        return image


class AugmentedImages(Dataset[tuple[Tensor, Tensor]]):
    """Batches of a source under a recipe's random crops and flips: ``(uint8 (B, 3, H, W), labels (B,))``.

    Args:
        source: The training split.
        recipe: Says which augmentations.
        kept_bytes: Decoded images are kept up to this size; those that are resized at random are not.
    """

    def __init__(self, source: ImageSource, recipe: Recipe, kept_bytes: int = KEPT_BYTES) -> None:
        self.source = source
        self.recipe = recipe
        side = recipe.random_resized_crop
        self.resized_crop = v2.RandomResizedCrop(side, antialias=True) if side else None
        self._pixels = Kept(self._decoded, 0 if side else kept_bytes)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the images at some places, augmented.

        Raises:
            DataError: If they have different sizes, and the recipe resizes none.
        """
        images = [self._pixels(index) for index in indices]
        sizes = sorted({image.shape[:2] for image in images})
        if len(sizes) > 1:
            (height, width), (other_height, other_width) = sizes[:2]
            raise DataError(
                f"{self.source.name} has images of different sizes, such as {width} x {height} and {other_width} x "
                f"{other_height} pixels, which do not fit into one batch; give --set random_resized_crop=SIDE."
            )
        labels = torch.tensor([int(self.source.labels[index]) for index in indices])
        batch = torch.from_numpy(np.stack(images))
        return shifted_and_mirrored(batch, self.recipe.crop_padding, self.recipe.flip), labels

    def _decoded(self, index: int) -> NDArray[np.uint8]:
        image = self.source.image(index).convert("RGB")
        return np.asarray(image if self.resized_crop is None else self.resized_crop(image))


def shifted_and_mirrored(images: Tensor, padding: int, mirror: bool) -> Tensor:
    """Crop every image to its own size out of a border of zeros, at a random place, and mirror half of them.

    Args:
        images: ``(B, H, W, 3)``.
        padding: Width of the border in pixels.
        mirror: Whether to mirror at all.

    Returns:
        ``(B, 3, H, W)`` of the same type.
    """
    batch, height, width, _ = images.shape
    rows = torch.arange(height) + torch.randint(2 * padding + 1, (batch, 1))
    columns = torch.arange(width) + torch.randint(2 * padding + 1, (batch, 1))
    if mirror:
        columns = torch.where(torch.rand(batch, 1) < 0.5, columns.flip(1), columns)
    bordered = F.pad(images, (0, 0, padding, padding, padding, padding))
    chosen = bordered[torch.arange(batch).view(-1, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)]
    return chosen.permute(0, 3, 1, 2)


class PreprocessedImages(Dataset[tuple[Tensor, int]]):
    """The images of a source as evaluation sees them: ``(uint8 (3, H, W), label)``.

    Args:
        source: Of the images.
        preprocessing: Gives its geometry.
        kept_bytes: Images are kept up to this size, for what is evaluated more than once.
    """

    def __init__(self, source: ImageSource, preprocessing: Preprocessing, kept_bytes: int = 0) -> None:
        self.source = source
        self.preprocessing = preprocessing
        self._pixels = Kept(self._decoded, kept_bytes)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._pixels(index), int(self.source.labels[index])

    def _decoded(self, index: int) -> Tensor:
        return self.preprocessing.geometry(self.source.image(index))


def cutout(images: Tensor, side: int) -> Tensor:
    """Set a square at a random centre to zero, in every image of a standardised batch ``(B, C, H, W)``.

    The square may stick out of the image, as in the paper.

    References:
        DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    """
    batch, _, height, width = images.shape
    rows = torch.arange(height, device=images.device).view(1, height, 1)
    columns = torch.arange(width, device=images.device).view(1, 1, width)
    centre_row = torch.randint(height, (batch, 1, 1), device=images.device)
    centre_column = torch.randint(width, (batch, 1, 1), device=images.device)
    first_row, first_column = centre_row - side // 2, centre_column - side // 2
    inside = (rows >= first_row) & (rows < first_row + side)
    inside = inside & (columns >= first_column) & (columns < first_column + side)
    return images.masked_fill(inside.unsqueeze(1), 0.0)
