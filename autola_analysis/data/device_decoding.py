"""Images that a GPU decodes: JPEG files by its own decoder, resized and cropped where they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from autola_analysis.core.errors import OptionError
from autola_analysis.data.dataset import Batch, collate
from autola_analysis.data.encoded import EncodedBatch, EncodedImage
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import Source
from autola_analysis.data.tensor_geometry import tensor_geometry

Decode = Callable[[list[Tensor]], list[Tensor]]
"""JPEG files ``(L,)`` in the computer's memory -> colour images ``(3, H, W)`` on a device; all uint8"""
PIXELS_AT_ONCE = 2**25
"""Pixels that are decoded and resized together: in float32 they take 400 MB."""
AHEAD = 1
"""Batches that are decoded while the networks run another one."""


def gpu_decoder(device: torch.device) -> Decode:
    """Return torchvision's JPEG decoder of a GPU, nvJPEG.

    Raises:
        OptionError: If the device is none, or torchvision was built without the decoder.
    """
    if device.type != "cuda":
        raise OptionError(
            f"--decode gpu decodes images on a GPU, and the device is {device}; give --decode cpu, or --device cuda "
            "where there is one."
        )
    import torchvision.io  # registers the operator

    # Not `decode_jpeg`, which says at every start that it will be replaced.
    operator = getattr(torch.ops.image, "decode_jpegs_cuda", None)
    if operator is None:
        raise OptionError("--decode gpu needs a torchvision that was built for CUDA; give --decode cpu.")
    mode = torchvision.io.ImageReadMode.RGB.value

    def decode(files: list[Tensor]) -> list[Tensor]:
        # The decoder writes in a stream of its own, into memory that earlier work of this stream may still read.
        torch.cuda.current_stream(device).synchronize()
        images: list[Tensor] = operator(files, mode, device)
        return images

    return decode


class DeviceDecoding:
    """Decodes files on a device; those that its decoder refuses are decoded exactly, on the CPU.

    Args:
        source: Where the images come from.
        preprocessing: Whose geometry is applied, see `has_tensor_geometry`.
        decode: The decoder.
        device: Where it puts images.

    Attributes:
        on_device: Number of images that the device has decoded.
    """

    def __init__(self, source: Source, preprocessing: Preprocessing, decode: Decode, device: torch.device) -> None:
        self._source = source
        self._preprocessing = preprocessing
        self._decode = decode
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self.on_device = 0

    def batches(self, encoded: Iterable[EncodedBatch]) -> Generator[Batch, None, None]:
        """Decode batches in order, in a thread, while whoever asks for them uses the one before.

        Yields:
            Image indices int64 ``(B,)``, on the CPU, and images uint8 ``(B, 3, H, W)``, on the device.

        Raises:
            BadImageError: If an image cannot be decoded.
            DataError: If the images of a batch differ in size.
        """
        with ThreadPoolExecutor(1) as pool:
            ahead: deque[Future[Batch]] = deque()
            for batch in encoded:
                ahead.append(pool.submit(self.images, batch))
                if len(ahead) > AHEAD:
                    yield self._handed_over(ahead.popleft())
            while ahead:
                yield self._handed_over(ahead.popleft())

    def images(self, batch: EncodedBatch) -> Batch:
        """Decode a batch."""
        with torch.cuda.stream(self._stream):
            found: dict[int, Tensor] = {}
            if batch.decoded is not None:
                indices, exact = batch.decoded
                found.update(zip(indices.tolist(), exact.to(self._device), strict=True))
            for files in _at_once(batch.encoded):
                found.update(self._decoded(files))
            images = collate([(index, found[index]) for index in batch.indices.tolist()], self._source.ids)
        if self._stream is not None:
            self._stream.synchronize()  # the thread waits here, and whoever runs the networks does not
        return images

    def _handed_over(self, decoded: Future[Batch]) -> Batch:
        indices, images = decoded.result()
        if self._stream is not None:  # the memory belongs to the stream that decodes: it must not take it back too soon
            images.record_stream(torch.cuda.current_stream(self._device))
        return indices, images

    def _decoded(self, files: Sequence[EncodedImage]) -> Iterator[tuple[int, Tensor]]:
        try:
            images = self._decode([each.file for each in files])
        except RuntimeError:  # one of them is damaged, or of a kind that the decoder does not know
            for each in files:
                exact = self._preprocessing.geometry(self._source.image(each.index))
                yield each.index, exact.to(self._device)
            return
        self.on_device += len(files)
        by_shape: dict[torch.Size, list[int]] = {}
        for place, image in enumerate(images):
            by_shape.setdefault(image.shape, []).append(place)
        for places in by_shape.values():
            ready = tensor_geometry(torch.stack([images[place] for place in places]), self._preprocessing)
            yield from zip((files[place].index for place in places), ready, strict=True)


def _at_once(files: Sequence[EncodedImage]) -> Iterator[list[EncodedImage]]:
    """Yield the files in parts that have at most `PIXELS_AT_ONCE`, or are a single one."""
    part: list[EncodedImage] = []
    pixels = 0
    for each in files:
        if part and pixels + each.pixels > PIXELS_AT_ONCE:
            yield part
            part, pixels = [], 0
        part.append(each)
        pixels += each.pixels
    if part:
        yield part
