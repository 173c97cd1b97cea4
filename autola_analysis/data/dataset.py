"""Decoded images for a `DataLoader`, and batches of them whose errors survive its worker processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.core.errors import DataError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import Source
from autola_analysis.data.workers import SupervisedLoader, has_shared_memory, leave_process_group

logger = logging.getLogger(__name__)
Item = tuple[int, Tensor]
Batch = tuple[Tensor, Tensor]
ItemT = TypeVar("ItemT")
BatchT = TypeVar("BatchT")


class DecodedImages(Dataset[Item]):
    """The images of a source after the geometry of a preprocessing: ``(index, uint8 tensor (3, H, W))``.

    Statistics are left to the device of the model, where models with different ones share the decoded images.

    Args:
        source: Where the images come from.
        preprocessing: Whose geometry is applied.
    """

    def __init__(self, source: Source, preprocessing: Preprocessing) -> None:
        self.source = source
        self.preprocessing = preprocessing

    def __getitem__(self, index: int) -> Item:
        return index, self.preprocessing.geometry(self.source.image(index))

    def __len__(self) -> int:
        return len(self.source)


def collate(items: Sequence[Item], ids: Sequence[str] | None = None) -> Batch:
    """Stack decoded images.

    Args:
        items: Pairs of image index and uint8 tensor ``(3, H, W)``.
        ids: Names of all images of the source, for the error message.

    Returns:
        Image indices int64 ``(B,)`` and images uint8 ``(B, 3, H, W)``.

    Raises:
        DataError: If the images differ in size.
    """
    first, expected = items[0]
    for index, image in items:
        if image.shape != expected.shape:
            raise _sizes_differ((index, image), (first, expected), ids)
    return torch.tensor([index for index, _ in items], dtype=torch.int64), torch.stack([image for _, image in items])


def decoded_batches(
    source: Source,
    preprocessing: Preprocessing,
    batches: Sequence[Sequence[int]],
    *,
    workers: int = 0,
    pin_memory: bool = False,
    one_size: bool = True,
) -> Generator[Batch, None, None]:
    """Decode the given batches in order.

    A `DataLoader` turns an error of a worker into a traceback in a new error's message, without the attributes; here
    errors arrive as they were raised. The global random state is left alone, and sizes are compared between batches
    too, so that a source of mixed sizes is refused at any batch size.

    Args:
        source: Where the images come from.
        preprocessing: Whose geometry is applied.
        batches: Image indices of each batch.
        workers: Processes that decode; 0 decodes here.
        pin_memory: Whether to place the batches in page-locked memory, for copies to a GPU.
        one_size: Whether all images must have one size, rather than those of a batch alone.

    Yields:
        Image indices int64 ``(B,)`` and images uint8 ``(B, 3, H, W)``.

    Raises:
        BadImageError: If an image cannot be decoded.
        DataError: If the images differ in size.
    """
    decoded = read_batches(
        DecodedImages(source, preprocessing),
        partial(collate, ids=source.ids),
        batches,
        workers=workers,
        pin_memory=pin_memory,
    )
    yield from of_one_size(decoded, source.ids) if one_size else decoded


def read_batches(
    images: Dataset[ItemT],
    collate_items: Callable[[Sequence[ItemT]], BatchT],
    batches: Sequence[Sequence[int]],
    *,
    workers: int = 0,
    pin_memory: bool = False,
) -> Generator[BatchT, None, None]:
    """Read the given batches of a data set in order; errors arrive as they were raised, see `decoded_batches`.

    Args:
        images: The data set.
        collate_items: Makes a batch of its items.
        batches: Image indices of each batch.
        workers: Processes that read; 0 reads here.
        pin_memory: Whether to place the batches in page-locked memory.

    Raises:
        DataError: As the data set and `collate_items`.
    """
    if workers and not has_shared_memory():
        logger.warning("there is no /dev/shm, which several processes need; images are decoded in one.")
        workers = 0
    loader: SupervisedLoader[BatchT | DataError] = SupervisedLoader(
        _ErrorsAsItems(images),  # type: ignore[arg-type]
        batch_sampler=[list(batch) for batch in batches],
        num_workers=workers,
        collate_fn=partial(_collate_or_error, collate_items),
        pin_memory=pin_memory,
        worker_init_fn=leave_process_group,
        generator=torch.Generator(),  # else the loader draws its seed from the global one
    )
    for batch in loader:
        if isinstance(batch, DataError):
            raise batch
        yield batch


def of_one_size(batches: Iterable[Batch], ids: Sequence[str]) -> Generator[Batch, None, None]:
    """Yield batches as they come, while their images have one size.

    Args:
        batches: Image indices and images.
        ids: Names of all images of the source, for the error message.

    Raises:
        DataError: If images of two batches differ in size.
    """
    first: Item | None = None
    for indices, images in batches:
        first = first or (int(indices[0]), images[0].clone())
        if images.shape[1:] != first[1].shape:
            raise _sizes_differ((int(indices[0]), images[0]), first, ids)
        yield indices, images


class _ErrorsAsItems(Dataset[ItemT | DataError], Generic[ItemT]):
    def __init__(self, images: Dataset[ItemT]) -> None:
        self.images = images

    def __getitem__(self, index: int) -> ItemT | DataError:
        try:
            return self.images[index]
        except DataError as error:
            return error


def _collate_or_error(
    collate_items: Callable[[Sequence[ItemT]], BatchT], items: Sequence[ItemT | DataError]
) -> BatchT | DataError:
    good: list[ItemT] = []
    for item in items:
        if isinstance(item, DataError):
            return item
        good.append(item)
    try:
        return collate_items(good)
    except DataError as error:
        return error


def _sizes_differ(image: Item, first: Item, ids: Sequence[str] | None) -> DataError:
    def described(item: Item) -> str:
        index, pixels = item
        name = f"image {index}" if ids is None else ids[index]
        return f"{name} has {pixels.shape[2]}x{pixels.shape[1]} pixels"

    return DataError(
        f"all images must have one size after preprocessing, but {described(image)} and {described(first)}; "
        "give --resize and --crop (in Python a preprocessing that resizes and crops), or images of one size."
    )
