"""The stream of images with labels whose files a GPU decodes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import torch
from torch import Tensor

from autola_analysis.data.dataset import DecodedImages, collate, of_one_size, read_batches
from autola_analysis.data.device_decoding import Decode, DeviceDecoding
from autola_analysis.data.encoded import EncodedImage, EncodedImages, collate_encoded
from autola_analysis.data.tensor_geometry import has_tensor_geometry
from autola_analysis.inference.stream import Batch, SourceStream, Stream

READERS = 4
"""Processes that read files for a GPU's decoder, at most: a process reads some thousand a second."""


class DeviceStream(SourceStream):
    """The batches of a stream, whose files a device decodes; the images lie there.

    Processes read the files. What the device's decoder may read otherwise than Pillow, they decode.

    Args:
        exact: The stream as Pillow decodes it.
        decode: The decoder.
        device: Where it puts images.

    Attributes:
        exact: The stream as Pillow decodes it.
        decoding: What decodes, and counts.
    """

    def __init__(self, exact: SourceStream, decode: Decode, device: torch.device) -> None:
        assert exact.batch_size is not None
        super().__init__(exact.source, exact.preprocessing, exact.batch_size, min(exact.workers, READERS))
        self.exact = exact
        self.decoding = DeviceDecoding(exact.source, exact.preprocessing, decode, device)
        self._decode = decode
        self._device = device

    def batches(self, first: int = 0, step: int = 1) -> Generator[Batch, None, None]:
        """Read and decode every `step`-th batch in order, beginning with number `first`."""
        files = read_batches(
            EncodedImages(self.source, self.preprocessing),
            partial(collate_encoded, ids=self.source.ids),
            self.numbers[first::step],
            workers=self.workers,
        )
        with closing(files), closing(self.decoding.batches(files)) as decoded:
            for indices, images in of_one_size(decoded, self.source.ids):
                yield Batch(images, self.targets(indices), indices)

    def both_ways(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor] | None:
        """Decode some images exactly and by the device, those that its decoder is given.

        Returns:
            Exact images and the device's, uint8 ``(N, 3, H, W)``, on the device; None where it decodes none of them.

        Raises:
            BadImageError: If an image cannot be decoded.
            DataError: If they differ in size.
        """
        files = EncodedImages(self.source, self.preprocessing)
        images = DecodedImages(self.source, self.preprocessing)
        with ThreadPoolExecutor() as pool:
            encoded = [item for item in pool.map(files.__getitem__, numbers) if isinstance(item, EncodedImage)]
            exact = list(pool.map(images.__getitem__, [item.index for item in encoded]))
        if not encoded:
            return None
        trial = DeviceDecoding(self.source, self.preprocessing, self._decode, self._device)
        _, found = trial.images(collate_encoded(encoded, self.source.ids))
        _, expected = collate(exact, self.source.ids)
        return (expected.to(self._device), found) if trial.on_device else None


def device_stream(stream: Stream, decode: Decode, device: torch.device) -> DeviceStream | None:
    """Return a stream whose files a device decodes; None where its images are no files, or Pillow must shape them."""
    if not isinstance(stream, SourceStream) or not has_tensor_geometry(stream.preprocessing):
        return None
    return DeviceStream(stream, decode, device) if stream.source.file(0) is not None else None
