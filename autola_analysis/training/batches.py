"""The order in which images are read: all randomness of an epoch follows from the seed and its number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch.utils.data import Sampler

from autola_analysis.core.errors import OptionError


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
        seed: Of the training, or the search.
        purpose: Tells several orders of one training apart.

    Raises:
        OptionError: If there are fewer images than a batch holds.
    """

    def __init__(self, images: int, batch_size: int, seed: int, purpose: str) -> None:
        if images < batch_size:
            raise OptionError(
                f"a batch of {batch_size} images does not fit into {images} images; give --set batch_size={images} or "
                "less."
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
