"""Crops of people as a network for joints is trained and tested on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.core.affine import Affine
from autola_analysis.data.person_crops import PersonCrops, crop_map, exchanged, mirrored_crop_map, warped
from autola_analysis.training.batches import BatchPlan
from autola_analysis.training.images import Kept
from autola_analysis.training.pose.recipes import PoseRecipe

TURNED = 0.6
"""Share of the crops that are turned"""


class Batch(NamedTuple):
    """People of one training step.

    Attributes:
        images: Their crops, uint8 ``(B, 3, H, W)``.
        joints: x and y in pixels of the crop, ``(B, J, 2)``.
        labelled: ``(B, J)``, bool.
    """

    images: Tensor
    joints: Tensor
    labelled: Tensor


def drawn_map(
    box: NDArray[np.float64],
    image: tuple[int, int],
    crop: tuple[int, int],
    recipe: PoseRecipe,
    generator: np.random.Generator,
) -> tuple[Affine, bool]:
    """Draw how a person is cut out: larger or smaller, turned, mirrored.

    Args:
        box: Around the person.
        image: Height and width of the image.
        crop: Height and width of the crop.
        recipe: Says how much.
        generator: Of random numbers; as many are drawn whatever the recipe says.

    Returns:
        Where the pixels of the image lie in the crop, and whether left and right are exchanged.

    References:
        Xiao, Wu and Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, and their code.
    """
    size, angle = generator.standard_normal(2)
    turned, mirrored = generator.random(2)
    zoom = 1 + float(np.clip(size * recipe.scale, -recipe.scale, recipe.scale))
    degrees = float(np.clip(angle * recipe.rotation, -2 * recipe.rotation, 2 * recipe.rotation))
    flip = recipe.flip and mirrored < 0.5
    placing = mirrored_crop_map if flip else crop_map
    return placing(box, image, crop, zoom, degrees if turned < TURNED else 0.0), bool(flip)


class AugmentedPeople(Dataset[Batch]):
    """People to train on, a batch at a time; all randomness follows from the batch's seed.

    Args:
        crops: The people.
        recipe: Which augmentation.
        kept_bytes: Decoded images are kept up to this size.
    """

    def __init__(self, crops: PersonCrops, recipe: PoseRecipe, kept_bytes: int) -> None:
        self.crops = crops
        self.recipe = recipe
        self._pixels = Kept(self._decoded, kept_bytes)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, plan: BatchPlan) -> Batch:
        generator = np.random.default_rng(plan.seed)
        images, keypoints = zip(*(self._augmented(person, generator) for person in plan.indices), strict=True)
        stacked = np.stack(keypoints)
        joints = torch.from_numpy(stacked[..., :2].astype(np.float32))
        return Batch(torch.stack(images), joints, torch.from_numpy(stacked[..., 2] > 0))

    def _augmented(self, person: int, generator: np.random.Generator) -> tuple[Tensor, NDArray[np.float64]]:
        """Return the crop of a person, and its joints in it."""
        crops = self.crops
        image, number = crops.places[person].tolist()
        pixels, people = self._pixels(image), crops.people[image]
        assert people.keypoints is not None
        size = (pixels.shape[0], pixels.shape[1])
        place, flipped = drawn_map(people.boxes[number], size, crops.size, self.recipe, generator)
        keypoints = people.keypoints[number].copy()
        keypoints[:, :2] = place(keypoints[:, :2])
        cut = np.array(warped(Image.fromarray(pixels), place, crops.size))
        found = exchanged(keypoints, crops.joints) if flipped else keypoints
        return torch.from_numpy(cut).permute(2, 0, 1).contiguous(), found

    def _decoded(self, image: int) -> NDArray[np.uint8]:
        return np.asarray(self.crops.source.image(image).convert("RGB"))


class EvaluatedPeople(Dataset[tuple[int, Tensor]]):
    """People as evaluation sees them, with their number: ``(person, uint8 (3, H, W))``.

    Args:
        crops: The people.
    """

    def __init__(self, crops: PersonCrops) -> None:
        self.crops = crops

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, person: int) -> tuple[int, Tensor]:
        return person, torch.from_numpy(np.array(self.crops.image(person))).permute(2, 0, 1).contiguous()
