"""The one pass: every image is read once, every model sees it once, observers keep what they need."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.processes import Processes, current
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.compiling import CompiledForward, check_compiler, compiled_forward
from autola_analysis.inference.folding import FastCopy, fast_copy
from autola_analysis.inference.precision import precision_of
from autola_analysis.inference.stream import Batch, Stream
from autola_analysis.inference.tap import tap

PROBE_IMAGES = 4

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Something that hangs on the pass: reduces activations inside the forward, then takes in the batch."""

    @property
    def layers(self) -> Sequence[str]:
        """Layers whose activations it wants."""

    def reduce(self, layer: str, activation: Tensor) -> Any:
        """Return what is to be kept of an activation; runs while the forward is under way."""

    def update(self, batch: Batch, kept: Mapping[str, Any], logits: Tensor) -> None:
        """Take in one batch: what `reduce` returned per layer, and the logits ``(B, num_classes)``."""

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Take in what the other processes that share the run found; called once, where there are any."""


@dataclass(frozen=True)
class Job:
    """A model and what watches it during the pass.

    Attributes:
        model: Any network ``(B, 3, H, W) -> (B, num_classes)``; it is copied, never changed.
        observers: Each gets every batch.
        preprocessing: Whose statistics are applied to raw images; not needed for streams of ready tensors.
        name: For messages.
    """

    model: nn.Module
    observers: Sequence[Observer]
    preprocessing: Preprocessing | None = None
    name: str = "the network"


@dataclass(frozen=True)
class Settings:
    """How a pass runs.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:1".
        precision: See `precision_of`.
        fold: Whether to run a verified faster copy (folded batch norms, channels-last).
        quiet: Whether to leave out the progress bar.
        compile: Whether to compile the copy with `torch.compile`; only in float32, where it is verified.
    """

    device: str = "auto"
    precision: str = "float32"
    fold: bool = True
    quiet: bool = False
    compile: bool = False


@dataclass(frozen=True)
class PassRecord:
    """What a pass did, for the run record.

    Attributes:
        images: Number of images read, by all processes.
        seconds: Wall-clock time.
        device: Where it ran.
        precision: Arithmetic of the forwards.
        folded: Batch norms folded away, per model.
        channels_last: Whether the memory format was channels-last, per model.
        warnings: What was noticed about the networks.
        processes: Number of processes that shared it.
        part_sizes: Images that ran at once, for models that a whole batch left without memory.
        compiled: Whether the copy ran compiled, per model.
    """

    images: int
    seconds: float
    device: str
    precision: str
    folded: dict[str, int] = field(default_factory=dict)
    channels_last: dict[str, bool] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    processes: int = 1
    part_sizes: dict[str, int] = field(default_factory=dict)
    compiled: dict[str, bool] = field(default_factory=dict)


def check_settings(settings: Settings | None) -> None:
    """Check device, precision and compiler before any work is done.

    Raises:
        OptionError: If there is no such device or precision, or the networks cannot be compiled.
    """
    settings = settings or Settings()
    device = resolve_device(settings.device)
    current().check_device(device)
    with precision_of(settings.precision, device):
        pass
    if settings.compile:
        if settings.precision != "float32":
            raise OptionError(
                f"compiled networks run in float32, and the precision is {settings.precision}; choose one."
            )
        check_compiler()


def run(jobs: Sequence[Job], stream: Stream, settings: Settings | None = None) -> PassRecord:
    """Read the stream once and run every job's model on every batch.

    Processes that share the run take whole batches of the list in turn; the observers bring together at the end what
    each has found. A batch that leaves a model without memory runs in parts. The caller's models, their flags and
    gradients, the inputs and the random state are as before afterwards.

    Raises:
        DataError: If the stream is empty, or a model puts out values that are not finite.
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
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.inference_mode())
        bar = stack.enter_context(progress_bar(stream.images, "images", quiet=settings.quiet))
        batches = stack.enter_context(closing(stream.batches(processes.rank, processes.count)))
        first = list(islice(batches, 1))
        probe = processes.same(_spread(first[0].images).to(device) if first else None)
        if probe is None:
            raise DataError("there is no image to run the networks on.")
        running = [stack.enter_context(_started(job, probe, settings, device)) for job in jobs]
        count = processes.counter()
        for batch in chain(first, batches):
            moved = batch.images.to(device, non_blocking=True)
            for job in running:
                job.take(batch, moved)
            read += len(batch.labels)
            bar.update(count(len(batch.labels)) - bar.n)
        if processes.count > 1:
            for observer in chain.from_iterable(job.observers for job in jobs):
                observer.gather(processes, device)
    images = sum(processes.exchange(read))
    if stream.labels is not None and images != len(stream.labels):
        raise DataError(f"the loader gave {images} images, and its data set lists {len(stream.labels)} labels.")
    return PassRecord(
        images=images,
        seconds=time.perf_counter() - start,
        device=str(device),
        precision=settings.precision,
        folded={job.job.name: job.copy.folded for job in running},
        channels_last={job.job.name: job.copy.channels_last for job in running},
        warnings=tuple(warning for job in running for warning in job.warnings()),
        compiled={job.job.name: job.compiled for job in running},
        processes=processes.count,
        part_sizes=_smallest(processes.exchange({job.job.name: job.part for job in running if job.part})),
    )


@dataclass
class _Running:
    """A job under way: its fast copy with the taps on, and what runs it.

    Attributes:
        part: Images that run at once, where a whole batch left it without memory.
    """

    job: Job
    copy: FastCopy
    forward: Callable[[Tensor], Tensor]
    kept: Sequence[Mapping[str, Any]]
    settings: Settings
    device: torch.device
    part: int | None = None

    def take(self, batch: Batch, images: Tensor) -> None:
        """Run one batch through the copy and hand it to the observers, in parts where memory asks for it."""
        start = 0
        while start < len(images):
            stop = min(start + (self.part or len(images)), len(images))
            try:
                logits = self._forward(images[start:stop])
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._take_fewer(stop - start)
            else:
                self._hand_over(batch.part(start, stop), logits)
                start = stop

    def _forward(self, images: Tensor) -> Tensor:
        inputs = _inputs(self.job, images)
        if self.copy.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with precision_of(self.settings.precision, self.device):
            return self.forward(inputs)

    def _hand_over(self, batch: Batch, logits: Tensor) -> None:
        if not torch.isfinite(logits).all():
            bad = int(batch.indices[(~torch.isfinite(logits)).any(1).cpu()][0])
            raise DataError(f"{self.job.name} puts out values that are not finite, first for image {bad}.")
        for observer, kept in zip(self.job.observers, self.kept, strict=True):
            observer.update(batch, kept, logits)

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

    def warnings(self) -> Iterator[str]:
        """Say what was noticed about the network."""
        if self.copy.depends_on_batch:
            yield (
                f"{self.job.name}: what it puts out for an image depends on the other images of the batch or on chance "
                "(batch norm without running statistics, dropout that is always on); results depend on the batches."
            )
        if self.settings.compile and not self.compiled:
            yield f"{self.job.name}: compiled, it puts out something else than it should; it ran without compiling."


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory could not be had, on a GPU or on the CPU."""
    refused = "allocate memory" in str(error) or "not enough memory" in str(error)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or refused


def _smallest(found: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for each in found for name in each)
    return {name: min(each[name] for each in found if name in each) for name in names}


def _spread(images: Tensor) -> Tensor:
    """Return a few images of a batch, spread over it: neighbours in a sorted folder are of one class."""
    return images[:: max(1, len(images) // PROBE_IMAGES)][:PROBE_IMAGES]


@contextmanager
def _started(job: Job, images: Tensor, settings: Settings, device: torch.device) -> Iterator[_Running]:
    layers = list(dict.fromkeys(layer for observer in job.observers for layer in observer.layers))
    probe = _inputs(job, images)
    # What is verified in float32 says nothing about autocast, which rounds the folded weights.
    fold = settings.fold and settings.precision in ("float32", "tf32")
    with ExitStack() as stack:
        try:
            copy = fast_copy(job.model, layers, probe, fold)
            everywhere = current().every(copy.channels_last)
            if copy.channels_last and not everywhere:  # on other hardware the copy was not the same
                copy = fast_copy(job.model, layers, probe, fold=False)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{job.name} cannot run on images of shape {tuple(images.shape[1:])}: {reason}") from error
        readers = [(observer.layers, observer.reduce) for observer in job.observers]
        if settings.compile:
            forward = stack.enter_context(compiled_forward(copy.model, readers, job.name))
            yield _Running(job, copy, forward, forward.kept, settings, device)
        else:
            kept = [stack.enter_context(tap(copy.model, layers, reduce)) for layers, reduce in readers]
            yield _Running(job, copy, copy.model, kept, settings, device)


def _inputs(job: Job, images: Tensor) -> Tensor:
    if images.dtype != torch.uint8:
        return images
    return (job.preprocessing or Preprocessing()).normalize(images)
