"""The one pass: every image is read once, every model sees it once, observers keep what they need."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import torch
from torch import Tensor

from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.decoder import DECODER, Decoder, checked_decoder
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import Processes, current
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.device_decoding import gpu_decoder
from autola_analysis.inference.channels import ChannelAxis, channel_axis
from autola_analysis.inference.compiling import check_compiler
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.decoding import DecodingRecord, counted_in, decoded_by
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.precision import precision_of
from autola_analysis.inference.running import Job, NetworkRecord, Running, inputs_of, started
from autola_analysis.inference.stream import Stream

PROBE_IMAGES = 4


@dataclass(frozen=True)
class Settings:
    """How a pass runs.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:1".
        precision: See `precision_of`.
        fold: Whether to run a verified faster copy (folded batch norms, channels-last).
        quiet: Whether to leave out the progress bar.
        compile: Whether to compile the copy with `torch.compile`; only in float32, where it is verified.
        channel_axis: See `channel_axis`.
        decoder: What decodes image files; a GPU's decoder is compared with Pillow first, see `DecodingRecord`.
    """

    device: str = "auto"
    precision: str = "float32"
    fold: bool = True
    quiet: bool = False
    compile: bool = False
    channel_axis: ChannelAxis | None = None
    decoder: Decoder = DECODER


@dataclass(frozen=True)
class PassRecord:
    """What a pass did, for the run record.

    Attributes:
        images: Number of images read, by all processes.
        seconds: Wall-clock time.
        device: Where it ran.
        precision: Arithmetic of the forwards.
        networks: How every network ran, in the order of the jobs.
        processes: Number of processes that shared it.
        decoding: What a GPU decoded; None where it was not to.
    """

    images: int
    seconds: float
    device: str
    precision: str
    networks: tuple[NetworkRecord, ...] = ()
    processes: int = 1
    decoding: DecodingRecord | None = None


def check_settings(settings: Settings | None) -> None:
    """Check device, precision, decoder and compiler before any work is done.

    Raises:
        OptionError: If there is no such device, precision or decoder, or the networks cannot be compiled.
    """
    settings = settings or Settings()
    device = resolve_device(settings.device)
    current().check_device(device)
    with precision_of(settings.precision, device), channel_axis(settings.channel_axis):
        pass
    if checked_decoder(settings.decoder) == "gpu":
        gpu_decoder(device)
    if settings.compile:
        if settings.precision != "float32":
            raise OptionError(
                f"compiled networks run in float32, and the precision is {settings.precision}; choose one."
            )
        check_compiler()


def run(jobs: Sequence[Job], stream: Stream, settings: Settings | None = None) -> PassRecord:
    """Read the stream once and run every job's model on every batch.

    Processes that share the run take whole batches of the list in turn; at the end the observers of all processes
    bring their findings together. A batch that leaves a model without memory runs in parts. Every model gets a
    copy of the images of its own. The caller's models, their flags and gradients, the inputs and the random state are
    as before afterwards.

    Raises:
        DataError: If the stream is empty, or a model puts out what its task refuses or values that are not finite.
        LayerError: If a tapped layer cannot be read, see `tap`.
    """
    settings = settings or Settings()
    check_settings(settings)
    device = resolve_device(settings.device)
    processes = current()
    start = time.perf_counter()
    read = 0
    with ExitStack() as stack:
        stack.enter_context(freed_memory_kept())
        stack.enter_context(channel_axis(settings.channel_axis))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.inference_mode())
        stream, decoding = decoded_by(
            settings.decoder, stream, [(job.name, partial(_plain_outputs, job, device)) for job in jobs], device
        )
        bar = stack.enter_context(progress_bar(stream.images, "images", quiet=settings.quiet))
        batches = stack.enter_context(closing(stream.batches(processes.rank, processes.world_size)))
        first = list(islice(batches, 1))
        probe = processes.broadcast(spread(first[0].images).to(device) if first else None)
        if probe is None:
            raise DataError("there is no image to run the networks on.")
        running = [
            stack.enter_context(
                started(job, probe, device, settings.precision, fold=settings.fold, compile=settings.compile)
            )
            for job in jobs
        ]
        count = processes.counter()
        for batch in chain(first, batches):
            moved = batch.images.to(device, non_blocking=True)
            for job in running:
                job.take(batch, moved)
            read += len(batch.images)
            bar.update(count(len(batch.images)) - bar.n)
        for job in running:
            job.settle()
        if processes.world_size > 1:
            for observer in chain.from_iterable(job.observers for job in jobs):
                observer.gather(processes, device)
    images = sum(processes.all_gather_object(read))
    if stream.labels is not None and images != len(stream.labels):
        raise DataError(f"the loader gave {images} images, and its data set lists {len(stream.labels)} labels.")
    return PassRecord(
        images=images,
        seconds=time.perf_counter() - start,
        device=str(device),
        precision=settings.precision,
        networks=tuple(
            job.record(_smallest(parts), decoding.warnings() if decoding else ())
            for job, parts in zip(running, _parts(running, processes), strict=True)
        ),
        processes=processes.world_size,
        decoding=decoding and counted_in(decoding, stream, images),
    )


def _plain_outputs(job: Job, device: torch.device, parts: Sequence[Tensor]) -> list[Tensor]:
    """Return what a network as it is, in float32, puts out for each of some batches of decoded images."""
    outputs = []
    with runnable(job.model, device) as ready, precision_of("float32", device):
        for images in parts:
            with forward_of(job.name, images.shape[1:]):
                outputs.append(ready.model(inputs_of(job, images, ready.model)))
            job.task.check(outputs[-1], len(images))
    return outputs


def _parts(running: Sequence[Running], processes: Processes) -> list[list[int]]:
    """Return, per job, the numbers of images that ran at once in the processes that a whole batch was too much for."""
    of_processes = processes.all_gather_object([job.part for job in running])
    return [[part for part in parts if part is not None] for parts in zip(*of_processes, strict=True)]


def _smallest(parts: Sequence[int]) -> int | None:
    return min(parts, default=None)


def spread(images: Tensor) -> Tensor:
    """Return a few images of a batch, spread over it: neighbours in a sorted folder are of one class."""
    return images[:: max(1, len(images) // PROBE_IMAGES)][:PROBE_IMAGES]
