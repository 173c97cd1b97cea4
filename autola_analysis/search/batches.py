"""Augmented batches of a search, whose random numbers follow from the seed and the number of the epoch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.training.batches import BatchPlan
from autola_analysis.training.images import AugmentedImages


class PlannedImages(Dataset[tuple[Tensor, Tensor]]):
    """Augmented batches whose random numbers come from their plan, in whichever process they are made.

    Args:
        images: Gives augmented batches by indices.
    """

    def __init__(self, images: AugmentedImages) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, plan: BatchPlan) -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.seed)
            return self.images[plan.indices]
