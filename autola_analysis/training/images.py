"""Training images: decoded, augmented, as uint8 tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.training.recipes import Recipe


class AugmentedImages(Dataset[tuple[Tensor, int]]):
    """The images of a source under a recipe's random crops and flips: ``(uint8 (3, H, W), label)``.

    Args:
        source: The training split.
        recipe: Says which augmentations.
    """

    def __init__(self, source: ImageSource, recipe: Recipe) -> None:
        self.source = source
        self.recipe = recipe
        steps: list[torch.nn.Module] = [v2.PILToTensor()]
        if recipe.random_resized_crop:
            # On the undecoded-size PIL image: fewer pixels to convert.
            steps.insert(0, v2.RandomResizedCrop(recipe.random_resized_crop, antialias=True))
        if recipe.flip:
            steps.append(v2.RandomHorizontalFlip())
        self.transform = v2.Compose(steps)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.transform(self.source.image(index).convert("RGB"))
        if self.recipe.crop_padding:
            image = v2.RandomCrop(image.shape[-2:], padding=self.recipe.crop_padding)(image)
        return image, int(self.source.labels[index])


class PreprocessedImages(Dataset[tuple[Tensor, int]]):
    """The images of a source as evaluation sees them: ``(uint8 (3, H, W), label)``."""

    def __init__(self, source: ImageSource, preprocessing: Preprocessing) -> None:
        self.source = source
        self.preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.preprocessing.geometry(self.source.image(index)), int(self.source.labels[index])


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
