"""Any data as a stream of batches whose images are numbered from 0 in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler

from autola_analysis.core.distributed import current
from autola_analysis.core.errors import DataError
from autola_analysis.core.own_code import is_of_own_code, reason_of
from autola_analysis.data.agreement import check_same_images
from autola_analysis.data.dataset import decoded_batches
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource, Source, hash_of
from autola_analysis.inference.datasets import (
    LABELS,
    IntArray,
    batch_of,
    classes_at_hand,
    labels_at_hand,
    refuse_items,
)
from autola_analysis.inference.resources import decoding_workers, pass_batch_size

SourceT = TypeVar("SourceT", bound=Source)
ImageData = Source | Dataset[Any] | DataLoader[Any]
Targets = Any
"""Something per image that can be sliced: a tensor of class numbers, an array of `Objects`"""
CPU = torch.device("cpu")
LOOKED_AT = 256
"""Items of a data set that are looked at to say why no batch can be made of them"""


@dataclass(frozen=True)
class Batch:
    """Images that run together.

    Attributes:
        images: ``(B, 3, H, W)``; uint8 where the stream decodes, floating point where a data set hands out tensors.
        targets: What each image shows, as the task has it: class numbers ``(B,)``, int64, for classification.
        indices: ``(B,)``, int64: number of each image in the run.
        read_as: What the outputs of the network that ran the batch are, as its task has it; for classification see
            `OutputKind`.
    """

    images: Tensor
    targets: Targets
    indices: Tensor
    read_as: Any = None

    def part(self, start: int, stop: int) -> Batch:
        """Return the images from number `start` of the batch to before number `stop`."""
        return Batch(self.images[start:stop], self.targets[start:stop], self.indices[start:stop])

    def chosen(self, rows: Tensor, numbers: Tensor) -> Batch:
        """Return some images of the batch under other numbers.

        Args:
            rows: Their places in the batch, ``(n,)``.
            numbers: What they are called, ``(n,)``.
        """
        # An array of objects takes a tensor of one place for the place itself.
        targets = self.targets[rows if isinstance(self.targets, Tensor) else rows.numpy()]
        return Batch(self.images[rows], targets, numbers, self.read_as)


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Check that labels are those of `num_classes` classes.

    Raises:
        DataError: If one is not 0 to ``num_classes - 1``.
    """
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        found = f"{int(labels.min())} to {int(labels.max())}"
        raise DataError(f"labels must be 0 to {num_classes - 1}; found {found}.")


class Stream(Protocol):
    """What a pass reads.

    Attributes:
        labels: Label of every image of the run, ``(N,)``; None where only reading the images would tell.
        classes: Class names; None where the data has none.
        fingerprint: Hash of what the data is, see `ImageSource.address`; None where that cannot be known.
        raw: Whether batches hold uint8 images that still need the model's statistics.
        batch_size: Images per batch; None where a loader decides.
    """

    labels: IntArray | None
    classes: tuple[str, ...] | None
    fingerprint: str | None
    raw: bool
    batch_size: int | None

    def batches(self, first: int = 0, step: int = 1) -> Generator[Batch, None, None]:
        """Read every `step`-th batch once, beginning with number `first`: everything, unless processes share it."""

    def check_unchanged(self) -> None:
        """Refuse to go on where the data have changed since the stream was made, see `ImageSource.check_unchanged`."""

    @property
    def images(self) -> int | None:
        """Number of images, for the progress bar; None where it is not known."""


class _DecodedStream(Generic[SourceT]):
    """The images of a source, decoded and cut to shape once for every model that shares the geometry.

    Args:
        source: The images.
        preprocessing: Whose geometry is applied.
        batch_size: Images per batch, at most.
        workers: Processes that decode; 0 decodes in this one.

    Attributes:
        source: As it was given; likewise `preprocessing` and `workers`.
        numbers: Of the images of each batch.
    """

    raw = True
    one_size = True
    """Whether all images must have one size, rather than those of a batch alone."""

    def __init__(self, source: SourceT, preprocessing: Preprocessing, batch_size: int, workers: int = 0) -> None:
        self.classes: tuple[str, ...] | None = source.class_names
        self.fingerprint: str | None = source.address()
        self.batch_size: int | None = batch_size
        self.source = source
        self.preprocessing = preprocessing
        self.workers = workers
        self.numbers = [
            numbers[start : start + batch_size]
            for numbers in self._alike()
            for start in range(0, len(numbers), batch_size)
        ]

    def batches(self, first: int = 0, step: int = 1) -> Generator[Batch, None, None]:
        """Decode every `step`-th batch in order, beginning with number `first`."""
        decoded = decoded_batches(
            self.source,
            self.preprocessing,
            self.numbers[first::step],
            workers=self.workers,
            pin_memory=torch.cuda.is_available(),
            one_size=self.one_size,
        )
        with closing(decoded):
            for indices, images in decoded:
                yield Batch(images, self.targets(indices), indices)

    def check_unchanged(self) -> None:
        """Check the source."""
        self.source.check_unchanged()

    @property
    def images(self) -> int | None:
        """Number of images of the source."""
        return len(self.source)

    def _alike(self) -> Iterable[Sequence[int]]:
        """Return the numbers of the images, those that may share a batch together."""
        return [range(len(self.source))]

    def targets(self, indices: Tensor) -> Targets:
        """Return what is known of some images."""
        raise NotImplementedError


class SourceStream(_DecodedStream[ImageSource]):
    """The images of an `ImageSource`; targets are their labels."""

    def __init__(self, source: ImageSource, preprocessing: Preprocessing, batch_size: int, workers: int = 0) -> None:
        super().__init__(source, preprocessing, batch_size, workers)
        self.labels: IntArray | None = source.labels

    def targets(self, indices: Tensor) -> Targets:
        """Return the labels of some images."""
        return torch.from_numpy(self.source.labels)[indices]


class ObjectStream(_DecodedStream[ObjectSource]):
    """The images of an `ObjectSource`; targets are an array of `Objects`.

    A batch holds images of one size, so that none is padded for another's sake.
    """

    labels: IntArray | None = None
    one_size = False

    def _alike(self) -> Iterable[Sequence[int]]:
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, size in enumerate(self.source.sizes.tolist()):
            by_size.setdefault(() if self.preprocessing.stretch is not None else tuple(size), []).append(index)
        return by_size.values()

    def targets(self, indices: Tensor) -> Targets:
        """Return the objects of some images."""
        targets = np.empty(len(indices), dtype=object)
        targets[:] = [self.source.objects(index) for index in indices.tolist()]
        return targets


class LoaderStream:
    """The batches of a user's `DataLoader` of ``(images, labels)``, as they come.

    Labels are known beforehand only where the loader reads a data set in order whose labels are at hand, see
    `labels_at_hand`; a shuffling loader's are not.

    Args:
        loader: Yields ``(images (B, C, H, W) floating point, labels (B,))``.
    """

    raw = False
    fingerprint: str | None = None

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self.batch_size: int | None = loader.batch_size
        self.classes: tuple[str, ...] | None = classes_at_hand(loader.dataset)
        self.labels: IntArray | None = None
        self._in_order = isinstance(loader.sampler, SequentialSampler) and type(loader.batch_sampler) is BatchSampler
        if self._in_order and not loader.drop_last:
            self.labels = labels_at_hand(loader.dataset)

    def batches(self, first: int = 0, step: int = 1) -> Generator[Batch, None, None]:
        """Read the loader once, or every `step`-th of its batches, beginning with number `first`.

        Raises:
            DataError: If only some of the batches are asked for and the loader does not read in order.
        """
        if step > 1:
            yield from self._share(first, step)
            return
        start = 0
        for images, labels in self._read(self._loader):
            indices = torch.arange(start, start + len(labels))
            self._check(indices, labels)
            yield Batch(images, labels, indices)
            start += len(labels)

    def _share(self, first: int, step: int) -> Generator[Batch, None, None]:
        loader = self._loader
        if not self._in_order or loader.batch_sampler is None:
            raise DataError(
                "several processes can share a loader only if it reads a data set in order; give one with "
                "shuffle=False and without a sampler of its own."
            )
        share = list(loader.batch_sampler)[first::step]
        part: DataLoader[Any] = DataLoader(
            loader.dataset,
            batch_sampler=share,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            worker_init_fn=loader.worker_init_fn,
            generator=torch.Generator(),
        )
        for (images, labels), of_batch in zip(self._read(part), share, strict=True):
            indices = torch.tensor(of_batch, dtype=torch.int64)
            self._check(indices, labels)
            yield Batch(images, labels, indices)

    def _read(self, loader: DataLoader[Any]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and labels; of items that no batch can be made of, say what they are."""
        batches = iter(loader)
        for number in count():
            try:
                item = next(batches)
            except BaseException as error:
                if isinstance(error, StopIteration) and not self._ends_early(loader, number):
                    return
                if not is_of_own_code(error):
                    raise
                self._explain(loader.dataset, number)
                raise DataError(f"the loader failed at its batch {number}: {reason_of(error)}.") from error
            yield batch_of(item, self.classes)

    @staticmethod
    def _ends_early(loader: DataLoader[Any], number: int) -> bool:
        """Return whether a loader has ended before the last of its batches: a `StopIteration` of its data set's."""
        return not isinstance(loader.dataset, IterableDataset) and number < len(loader)

    def _explain(self, dataset: Any, number: int) -> None:
        """Look at items of a data set of which a batch has failed, and refuse the one that is the reason."""
        if isinstance(dataset, Sized) and not isinstance(dataset, IterableDataset):
            first = number * (self.batch_size or 1) if self._in_order else 0
            refuse_items(dataset, range(first, min(first + LOOKED_AT, len(dataset))))

    def _check(self, indices: Tensor, labels: Tensor) -> None:
        """Check that images have the labels that the data set lists."""
        if self.labels is None or int(indices[-1]) >= len(self.labels):  # the pass compares the numbers of images
            return
        listed = torch.from_numpy(self.labels)[indices]
        for place in (listed != labels).nonzero()[:1, 0].tolist():
            raise DataError(
                f"the data set lists the label {int(listed[place])} for image {int(indices[place])} and gives it the "
                f"label {int(labels[place])}; make its list of labels ({', '.join(LABELS)}) that of its images."
            )

    def check_unchanged(self) -> None:
        """Check nothing: what a loader reads is not known."""

    @property
    def images(self) -> int | None:
        """Number of images where the data set knows it."""
        return len(self.labels) if self.labels is not None else None


def open_stream(
    data: ImageData,
    preprocessing: Preprocessing | None,
    batch_size: int | None = None,
    workers: int | None = 0,
    device: torch.device = CPU,
    choose: Callable[[int, torch.device], int] = pass_batch_size,
) -> SourceStream | ObjectStream | LoaderStream:
    """Return data of any accepted kind as a stream.

    Args:
        data: A source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``.
        preprocessing: Geometry for a source; None takes the source's own.
        batch_size: Images per batch; None lets `choose` decide, in all processes alike. A loader keeps its own.
        workers: Processes that decode; None chooses by the device. A loader keeps its own.
        device: Where the networks will run.
        choose: (longer side of the images, device) -> images per batch.

    Raises:
        DataError: If `data` is none of these, or a source comes without any preprocessing.
    """
    images = data.dataset if isinstance(data, DataLoader) else data
    if isinstance(images, Sized) and len(images) == 0:
        raise DataError("there is no image to run the networks on: the data set is empty.")
    if isinstance(data, DataLoader):
        return _compared(LoaderStream(data))
    workers = decoding_workers(device) if workers is None else workers
    if isinstance(data, Source):
        preprocessing = preprocessing or data.preprocessing
        if preprocessing is None:
            raise DataError(f"{data.name} has no customary preprocessing; say which one the network was trained with.")
        if batch_size is None:
            side = preprocessing.crop or preprocessing.stretch or max(data.image(0).size)
            batch_size = min(current().all_gather_object(choose(side, device)))
        check_same_images(data)
        if isinstance(data, ObjectSource):
            return ObjectStream(data, preprocessing, batch_size, workers)
        assert isinstance(data, ImageSource)
        return SourceStream(data, preprocessing, batch_size, workers)
    if isinstance(data, Dataset):
        loader = DataLoader(data, batch_size=batch_size or 64, num_workers=workers, generator=torch.Generator())
        return _compared(LoaderStream(loader))
    raise DataError(f"data must be an image source, a Dataset or a DataLoader; found {type(data).__name__}.")


def _compared(stream: LoaderStream) -> LoaderStream:
    """Return a loader's stream, once all processes that share the run are known to have the same labels and batches."""

    def described() -> dict[str, object]:
        labels = [] if stream.labels is None else stream.labels.tolist()
        batches = [stream.batch_size, stream.classes and list(stream.classes), hash_of(*map(str, labels))]
        return {"labels, classes or batches of the loader": batches}

    current().check_same(described)
    return stream
