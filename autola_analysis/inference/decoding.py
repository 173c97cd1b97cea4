"""Whether images that a GPU decodes may stand for those that Pillow does: some are decoded both ways first.

The decoders of GPUs bring colours to full resolution more simply than Pillow. What that changes is measured on up to
`COMPARED` images spread over the data: in levels of 255, and in what each network puts out. A pass whose images or
networks differ by more than the tolerances decodes on the CPU, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from autola_analysis.core.decoder import Decoder
from autola_analysis.core.distributed import current
from autola_analysis.core.text import counted
from autola_analysis.data.device_decoding import gpu_decoder
from autola_analysis.inference.device_stream import DeviceStream, device_stream
from autola_analysis.inference.stream import Stream

COMPARED = 256
LEVELS = 2.0
"""Largest mean difference of pixels, in levels of 255."""
SPREAD = 0.05
"""Largest mean difference of what a network puts out, relative to the standard deviation of all its numbers."""
CHANGED = 0.05
"""Largest share of images for which a network may prefer another class."""

Forward = Callable[[Sequence[Tensor]], list[Tensor]]
"""batches of uint8 images ``(B, 3, H, W)`` -> what a network puts out for each, ``(B, K)`` or ``(B,)``"""


@dataclass(frozen=True)
class NetworkDifference:
    """What a network made of the same images, decoded by the GPU and exactly.

    Attributes:
        name: Of the network.
        mean: Mean difference of what it puts out, relative to the standard deviation of all its numbers.
        largest: Largest difference, relative to the same.
        changed: Number of images for which it prefers another class.
    """

    name: str
    mean: float
    largest: float
    changed: int


@dataclass(frozen=True)
class DecodingRecord:
    """What a GPU decoded in a pass, and how far that is from the exact pixels.

    Attributes:
        refused: Why the images were decoded on the CPU; "" where the GPU decoded what it could.
        compared: Number of images that were decoded both ways.
        mean_levels: Mean difference of their pixels after resizing, in levels of 255.
        largest_levels: Largest difference.
        networks: What the networks made of them.
        on_gpu: Images of the pass that the GPU decoded, in all processes.
        on_cpu: The others: other formats, grey, CMYK or turned pictures, and what its decoder cannot read.
    """

    refused: str = ""
    compared: int = 0
    mean_levels: float = 0.0
    largest_levels: int = 0
    networks: tuple[NetworkDifference, ...] = ()
    on_gpu: int = 0
    on_cpu: int = 0

    def warnings(self) -> list[str]:
        """Say why the CPU decoded, where the GPU was asked for."""
        return [f"its images were decoded on the CPU, not on the GPU: {self.refused}."] if self.refused else []


_NO_FILES = DecodingRecord("the images are no files, or not brought to shape by a bilinear or bicubic filter in colour")


def compared(pixels: tuple[Tensor, Tensor], logits: Sequence[tuple[str, Tensor, Tensor]]) -> DecodingRecord:
    """Compare images that were decoded both ways, and what networks put out for them.

    Args:
        pixels: Exact ones and the GPU's, uint8 ``(N, 3, H, W)``.
        logits: Per network its name and what it puts out for both, ``(N, K)`` or ``(N,)``.
    """
    exact, found = pixels
    difference = (exact.to(torch.int16) - found.to(torch.int16)).abs()
    record = DecodingRecord(
        compared=len(exact),
        mean_levels=float(difference.double().mean()),
        largest_levels=int(difference.max()),
        networks=tuple(_difference(*of_network) for of_network in logits),
    )
    return replace(record, refused=_reason(record))


def _difference(name: str, exact: Tensor, found: Tensor) -> NetworkDifference:
    exact, found = (values.double().reshape(len(values), -1) for values in (exact, found))
    difference = (exact - found).abs() / exact.std(correction=0)
    difference = difference.nan_to_num(nan=0.0)  # none, of numbers that are all the same
    changed = int((exact.argmax(1) != found.argmax(1)).sum())
    return NetworkDifference(name, float(difference.mean()), float(difference.max()), changed)


def _reason(record: DecodingRecord) -> str:
    """Return why a GPU's pixels may not stand for the exact ones; "" where they may."""
    images = counted(record.compared, "image")
    if record.mean_levels > LEVELS:
        return f"over {images} pixels differ by {record.mean_levels:.2f} levels of 255, more than {LEVELS:g}"
    for network in record.networks:
        if not network.mean <= SPREAD:
            return (
                f"over {images} the outputs of {network.name} differ by {network.mean:.3f} of their standard "
                f"deviation, more than {SPREAD:g}"
            )
        if network.changed > CHANGED * record.compared:
            return (
                f"{network.name} prefers another class for {network.changed} of {images}, more than {CHANGED:.0%} of "
                "them"
            )
    return ""


def decoded_by(
    decoder: Decoder, stream: Stream, networks: Sequence[tuple[str, Forward]], device: torch.device
) -> tuple[Stream, DecodingRecord | None]:
    """Return the stream that a pass is to read, and what a comparison showed; all processes must call it.

    Args:
        decoder: What is to decode.
        stream: The images as Pillow decodes them.
        networks: Name of every network, and what runs it.
        device: Where the networks run.

    Raises:
        DataError: If an image cannot be decoded, images differ in size, or a network cannot run on them.
    """
    if decoder == "cpu":
        return stream, None
    faster = device_stream(stream, gpu_decoder(device), device)
    record = _NO_FILES if faster is None else _compared_on(faster, networks)
    if current().all_true(not record.refused):
        assert faster is not None
        return faster, record
    other = "in another process of the run the GPU's images differ too much, or it decodes none"
    return stream, replace(record, refused=record.refused or other)


def _compared_on(stream: DeviceStream, networks: Sequence[tuple[str, Forward]]) -> DecodingRecord:
    count = len(stream.source)
    numbers = np.unique(np.linspace(0, count - 1, min(COMPARED, count)).round().astype(int)).tolist()
    both = stream.both_ways(numbers)
    if both is None:
        return DecodingRecord(
            f"of {counted(len(numbers), 'image')} looked at, none is a JPEG file that the GPU's decoder reads"
        )
    size = stream.batch_size or COMPARED
    exact, found = (torch.split(images, size) for images in both)
    outputs = [(name, forward([*exact, *found])) for name, forward in networks]
    return compared(
        both, [(name, torch.cat(of_all[: len(exact)]), torch.cat(of_all[len(exact) :])) for name, of_all in outputs]
    )


def counted_in(record: DecodingRecord, stream: Stream, images: int) -> DecodingRecord:
    """Return the record of a pass that has read a number of images; all processes must call it."""
    on_gpu = stream.decoding.on_device if isinstance(stream, DeviceStream) else 0
    on_gpu = sum(current().all_gather_object(on_gpu))
    return replace(record, on_gpu=on_gpu, on_cpu=images - on_gpu)
