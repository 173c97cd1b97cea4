"""The two halves of a training split, and the order in which a search reads them.

Weights are learned on one half and the architecture on the other. Everything random about an epoch follows from the
seed and the epoch's number, so that a search that goes on after it was killed reads what it would have read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data.source import ImageSource, IntArray
from autola_analysis.data.subset import Subset, seeded_order
from autola_analysis.training.images import AugmentedImages


def halves(source: ImageSource, seed: int) -> tuple[ImageSource, ImageSource]:
    """Divide a source into a half for the weights and a half for the architecture.

    Every image is in one of them, and every class is divided evenly; where it has an odd number of images, the larger
    part goes to one half and to the other in turn. Which image goes where depends on its id and the seed alone.

    Args:
        source: The training split.
        seed: Of the division.

    Raises:
        DataError: If a class has a single image.
    """
    chosen: tuple[list[IntArray], list[IntArray]] = ([], [])
    larger = 0
    for label in np.unique(source.labels):
        members = np.flatnonzero(source.labels == label)
        if len(members) < 2:
            name = source.classes[label] if 0 <= label < len(source.classes) else label
            raise DataError(
                f"the class {name} of {source.name} has a single image, so that it cannot be in both halves of a "
                "search; give every class two images or more."
            )
        mixed = members[seeded_order([source.ids[int(index)] for index in members], seed)]
        middle = len(members) // 2
        chosen[larger].append(mixed[: len(members) - middle])
        chosen[1 - larger].append(mixed[len(members) - middle :])
        larger ^= len(members) % 2
    first, second = (Subset(source, np.sort(np.concatenate(half))) for half in chosen)
    return first, second


def stream(seed: int, epoch: int, purpose: str) -> int:
    """Return the seed of one use of random numbers in one epoch."""
    digest = hashlib.blake2b(f"{seed} {epoch} {purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


class BatchPlan(NamedTuple):
    """Which images make a batch, and the seed of their augmentation."""

    indices: Sequence[int]
    seed: int


class EpochBatches(Sampler[BatchPlan]):
    """The batches of an epoch: every image once, in an order of its own for every epoch; what is left over is dropped.

    Args:
        images: How many there are.
        batch_size: Images per batch.
        seed: Of the search.
        purpose: Tells the halves apart.

    Raises:
        OptionError: If there are fewer images than a batch holds.
    """

    def __init__(self, images: int, batch_size: int, seed: int, purpose: str) -> None:
        if images < batch_size:
            raise OptionError(
                f"a batch of {batch_size} images does not fit into a half of {images}; give --set batch_size={images} "
                "or less."
            )
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.purpose = purpose
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is for."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.images // self.batch_size

    def __iter__(self) -> Iterator[BatchPlan]:
        generator = torch.Generator().manual_seed(stream(self.seed, self.epoch, f"{self.purpose} order"))
        order = torch.randperm(self.images, generator=generator).tolist()
        for number in range(len(self)):
            indices = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield BatchPlan(indices, stream(self.seed, self.epoch, f"{self.purpose} batch {number}"))


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
