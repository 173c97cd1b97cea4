"""The one pass: every image is read once, every model sees it once, observers keep what they need."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.decoder import DECODER, Decoder, checked_decoder
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import Processes, current
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.progress import progress_bar
from autola_analysis.core.transfer import Arriving
from autola_analysis.data.device_decoding import gpu_decoder
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.channels import ChannelAxis, channel_axis
from autola_analysis.inference.compiling import CompiledForward, check_compiler, compiled_forward
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.decoding import DecodingRecord, counted_in, decoded_by
from autola_analysis.inference.failures import forward_of, out_of_memory
from autola_analysis.inference.folding import FastCopy, fast_copy, prefers_channels_last
from autola_analysis.inference.observer import Deferring, Observer, Selective
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.precision import fitting, number_type, precision_of, remarks_on_type
from autola_analysis.inference.stream import Batch, Stream
from autola_analysis.inference.tap import tap
from autola_analysis.inference.tasks import Classification, Task

PROBE_IMAGES = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A model and what watches it during the pass.

    Attributes:
        model: Any network that takes images ``(B, 3, H, W)`` and puts out what the task asks for; it is copied, or runs
            itself where it cannot be, and is as before afterwards.
        observers: Every observer gets every batch.
        preprocessing: Whose statistics are applied to raw images; not needed for streams of ready tensors.
        name: For messages.
        task: What the output means.
    """

    model: nn.Module
    observers: Sequence[Observer]
    preprocessing: Preprocessing | None = None
    name: str = "the network"
    task: Task = field(default_factory=Classification)


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
class NetworkRecord:
    """How one network ran in a pass.

    Attributes:
        name: Of its job.
        folded: Batch norms folded away.
        fused: Blocks whose convolutions carried out the ReLUs and additions behind them.
        channels_last: Whether the memory format was channels-last.
        compiled: Whether the copy ran compiled.
        number_type: Type of its weights, in which it took the images.
        copied: Whether a copy ran; else the network itself.
        part_size: Images that ran at once, where a whole batch left the network without memory; else None.
        warnings: What was noticed about the network.
    """

    name: str
    folded: int
    fused: int
    channels_last: bool
    compiled: bool
    number_type: str = "float32"
    copied: bool = True
    part_size: int | None = None
    warnings: tuple[str, ...] = ()


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
        running = [stack.enter_context(_started(job, probe, settings, device)) for job in jobs]
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
                outputs.append(ready.model(_inputs(job, images, ready.model)))
            job.task.check(outputs[-1], len(images))
    return outputs


@dataclass
class _Running:
    """A job under way: its fast copy with the taps on, and what runs it.

    Attributes:
        task: What the output means, settled for the network.
        part: Images that run at once, where a whole batch left it without memory.
        about: What a reader must know of how the outputs are read.
        finite: The last batch, and whether what was put out for its images is finite.
    """

    job: Job
    copy: FastCopy
    forward: Callable[[Tensor], Output]
    kept: Sequence[Mapping[str, Any]]
    settings: Settings
    device: torch.device
    task: Task
    part: int | None = None
    about: str = ""
    finite: tuple[Batch, Arriving] | None = None

    def take(self, batch: Batch, images: Tensor) -> None:
        """Run one batch through the copy and hand it to the observers, in parts where memory asks for it."""
        start = 0
        while start < len(images):
            stop = min(start + (self.part or len(images)), len(images))
            for observer in self.job.observers:
                if isinstance(observer, Selective):
                    observer.begin(batch.part(start, stop))
            try:
                output = self._forward(images[start:stop])
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._take_fewer(stop - start)
            else:
                self.settle()
                self._hand_over(batch.part(start, stop), output)
                start = stop

    def _forward(self, images: Tensor) -> Output:
        inputs = _inputs(self.job, images, self.copy.model)
        if self.copy.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        inputs = _own(inputs, images)  # other networks, and another try with fewer images, need them as they are
        failures = forward_of(self.job.name, images.shape[1:], memory_too=False)
        with failures, precision_of(self.settings.precision, self.device):
            return self.forward(inputs)

    def _hand_over(self, batch: Batch, output: Output) -> None:
        finite = self.task.finite(output)
        if len(finite) != len(batch.indices):
            raise DataError(
                f"{self.job.name} puts out {len(finite)} rows for {len(batch.indices)} images; it has to put out one "
                "per image."
            )
        self.finite = batch, Arriving(finite)
        self.about = self.about or self.task.about(output)
        scores, read = self.task.scores(output), replace(batch, read_as=self.task.read_as)
        for observer, kept in zip(self.job.observers, self.kept, strict=True):
            observer.update(read, kept, scores)

    def settle(self) -> None:
        """Check the batch before, which the device has done or is about to: it has been given the next one.

        Raises:
            DataError: If the network put out values that are not finite.
        """
        if self.finite is not None:
            batch, finite = self.finite
            self.finite = None
            if not finite.values().all():
                bad = int(batch.indices[~finite.values()][0])
                raise DataError(f"{self.job.name} puts out values that are not finite, first for image {bad}.")
        for observer in self.job.observers:
            if isinstance(observer, Deferring):
                observer.settle()

    def _take_fewer(self, images: int) -> None:
        if images == 1 or self.copy.depends_on_batch:
            raise DataError(
                f"{self.job.name} has not enough memory for {images} image{'s' if images > 1 else ''} at once; give a "
                "smaller --batch-size, fewer networks, or another --device."
            )
        self.part = (images + 1) // 2
        logger.warning(
            "%s has not enough memory for %d images at once; batches run in parts of %d.",
            self.job.name,
            images,
            self.part,
        )

    @property
    def compiled(self) -> bool:
        """Whether the copy ran compiled."""
        return isinstance(self.forward, CompiledForward) and self.forward.agrees is True

    @property
    def number_type(self) -> str:
        """Type of the weights, in which the network takes the images."""
        return str(number_type(self.copy.model)).removeprefix("torch.")

    def record(self, part_size: int | None, noticed: Sequence[str]) -> NetworkRecord:
        """Return how the network ran.

        Args:
            part_size: Images that ran at once, in the process that had the least memory; None for whole batches.
            noticed: What else was noticed.
        """
        copy = self.copy
        warnings = (*self.warnings(), *noticed)
        return NetworkRecord(
            name=self.job.name,
            folded=copy.folded,
            fused=copy.fused,
            channels_last=copy.channels_last,
            compiled=self.compiled,
            number_type=self.number_type,
            copied=not copy.uncopied,
            part_size=part_size,
            warnings=warnings,
        )

    def warnings(self) -> Iterator[str]:
        """Say what was noticed about the network."""
        if self.about:
            yield self.about
        if self.copy.depends_on_batch:
            yield (
                "what it puts out for an image depends on the other images of the batch or on chance "
                "(batch norm without running statistics, dropout that is always on); results depend on the batches."
            )
        yield from remarks_on_type(self.copy.model)
        if self.copy.uncopied:
            yield f"it cannot be copied ({self.copy.uncopied}); it ran itself, as it is, without folding."
        if self.settings.compile and not self.compiled:
            yield "compiled, it puts out something else than it should; it ran without compiling."


def _parts(running: Sequence[_Running], processes: Processes) -> list[list[int]]:
    """Return, per job, the numbers of images that ran at once in the processes that a whole batch was too much for."""
    of_processes = processes.all_gather_object([job.part for job in running])
    return [[part for part in parts if part is not None] for parts in zip(*of_processes, strict=True)]


def _smallest(parts: Sequence[int]) -> int | None:
    return min(parts, default=None)


def spread(images: Tensor) -> Tensor:
    """Return a few images of a batch, spread over it: neighbours in a sorted folder are of one class."""
    return images[:: max(1, len(images) // PROBE_IMAGES)][:PROBE_IMAGES]


@contextmanager
def _started(job: Job, images: Tensor, settings: Settings, device: torch.device) -> Iterator[_Running]:
    layers = list(dict.fromkeys(layer for observer in job.observers for layer in observer.layers))
    # What is verified in float32 says nothing about autocast, which rounds the folded weights.
    fold = settings.fold and settings.precision in ("float32", "tf32")
    channels_last = prefers_channels_last(device, settings.precision)
    with ExitStack() as stack:
        with forward_of(job.name, images.shape[1:]), precision_of("float32", device):
            # TF32, which torch allows by default, hides what is the same.
            ready = stack.enter_context(runnable(job.model, device))
            probe = _inputs(job, images, ready.model)
            copy = fast_copy(ready, layers, probe, fold, job.task, channels_last, fusing=not settings.compile)
            everywhere = current().all_true(copy.fast)
            if copy.fast and not everywhere:  # on other hardware the copy was not the same
                ready = stack.enter_context(runnable(job.model, device))
                copy = fast_copy(ready, layers, probe, False, job.task)
            task = job.task.settled(copy.model, probe, copy.output)
        readers = [(observer.layers, observer.reduce) for observer in job.observers]
        if settings.compile:
            forward = stack.enter_context(compiled_forward(copy.model, readers, job.name, task))
            yield _Running(job, copy, forward, forward.kept, settings, device, task)
        else:
            kept = [stack.enter_context(tap(copy.model, layers, reduce)) for layers, reduce in readers]
            yield _Running(job, copy, copy.model, kept, settings, device, task)


def _own(inputs: Tensor, images: Tensor) -> Tensor:
    """Return what a network takes, copied where it lies in the same memory as the images: it may work in place."""
    return inputs.clone() if inputs.untyped_storage().data_ptr() == images.untyped_storage().data_ptr() else inputs


def _inputs(job: Job, images: Tensor, model: nn.Module) -> Tensor:
    if images.dtype == torch.uint8:
        images = (job.preprocessing or Preprocessing()).normalize(images)
    return fitting(images, model)
