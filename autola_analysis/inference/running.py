"""One network during a pass: its fast copy with the taps on, its batches, and how it ran."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.core.distributed import current
from autola_analysis.core.errors import DataError
from autola_analysis.core.transfer import Arriving
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.compiling import CompiledForward, compiled_forward
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.failures import forward_of, out_of_memory
from autola_analysis.inference.folding import FastCopy, fast_copy, prefers_channels_last
from autola_analysis.inference.observer import Deferring, Observer, Selective
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.precision import fitting, number_type, precision_of, remarks_on_type
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tap import tap
from autola_analysis.inference.tasks import Classification, Task

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


@dataclass
class Running:
    """A job under way: its fast copy with the taps on, and what runs it.

    Attributes:
        precision: See `precision_of`.
        compile: Whether the copy was to be compiled.
        task: What the output means, settled for the network.
        part: Images that run at once, where a whole batch left it without memory.
        about: What a reader must know of how the outputs are read.
        finite: The last batch, and whether what was put out for its images is finite.
    """

    job: Job
    copy: FastCopy
    forward: Callable[[Tensor], Output]
    kept: Sequence[Mapping[str, Any]]
    precision: str
    compile: bool
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
        inputs = inputs_of(self.job, images, self.copy.model)
        if self.copy.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        inputs = _own(inputs, images)  # other networks, and another try with fewer images, need them as they are
        failures = forward_of(self.job.name, images.shape[1:], memory_too=False)
        with failures, precision_of(self.precision, self.device):
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
        if self.compile and not self.compiled:
            yield "compiled, it puts out something else than it should; it ran without compiling."


@contextmanager
def started(
    job: Job, images: Tensor, device: torch.device, precision: str, *, fold: bool, compile: bool
) -> Iterator[Running]:
    """Yield a job with the taps on its fast copy, which is verified on some images.

    Args:
        job: A network and its observers.
        images: Raw images of the first batch.
        device: Where it runs.
        precision: See `precision_of`.
        fold: Whether to run a verified faster copy.
        compile: Whether to compile the copy.
    """
    layers = list(dict.fromkeys(layer for observer in job.observers for layer in observer.layers))
    # What is verified in float32 says nothing about autocast, which rounds the folded weights.
    fold = fold and precision in ("float32", "tf32")
    channels_last = prefers_channels_last(device, precision)
    with ExitStack() as stack:
        with forward_of(job.name, images.shape[1:]), precision_of("float32", device):
            # TF32, which torch allows by default, hides what is the same.
            ready = stack.enter_context(runnable(job.model, device))
            probe = inputs_of(job, images, ready.model)
            copy = fast_copy(ready, layers, probe, fold, job.task, channels_last, fusing=not compile)
            everywhere = current().all_true(copy.fast)
            if copy.fast and not everywhere:  # on other hardware the copy was not the same
                ready = stack.enter_context(runnable(job.model, device))
                copy = fast_copy(ready, layers, probe, False, job.task)
            task = job.task.settled(copy.model, probe, copy.output)
        readers = [(observer.layers, observer.reduce) for observer in job.observers]
        if compile:
            forward = stack.enter_context(compiled_forward(copy.model, readers, job.name, task))
            yield Running(job, copy, forward, forward.kept, precision, compile, device, task)
        else:
            kept = [stack.enter_context(tap(copy.model, layers, reduce)) for layers, reduce in readers]
            yield Running(job, copy, copy.model, kept, precision, compile, device, task)


def _own(inputs: Tensor, images: Tensor) -> Tensor:
    """Return what a network takes, copied where it lies in the same memory as the images: it may work in place."""
    return inputs.clone() if inputs.untyped_storage().data_ptr() == images.untyped_storage().data_ptr() else inputs


def inputs_of(job: Job, images: Tensor, model: nn.Module) -> Tensor:
    """Return what a network takes of decoded images."""
    if images.dtype == torch.uint8:
        images = (job.preprocessing or Preprocessing()).normalize(images)
    return fitting(images, model)
