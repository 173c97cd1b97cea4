"""One reading of the data for several networks and analyses: what every analysis of activations shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from autola_analysis.analyses.agreement import check_same_pass
from autola_analysis.analyses.output_names import OutputNames, output_names
from autola_analysis.analyses.pass_cache import PassEntry, found_by_all, pass_entry
from autola_analysis.analyses.variants import Variant, grouped_by_geometry, task_of
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import DataError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.observer import Observer
from autola_analysis.inference.resources import pass_batch_size
from autola_analysis.inference.run import PassRecord, Settings, run
from autola_analysis.inference.running import Job, NetworkRecord
from autola_analysis.inference.stream import ImageData, Stream, open_stream
from autola_analysis.inference.tasks.accuracy import Accuracy, AccuracyObserver, accuracy_warning

ACCURACY = "accuracy"
CLASSES_NOT_KNOWN = (
    "the number of classes is not known before the images are read; tell it to the data set, as in "
    "dataset.classes = 10 or the names in order, or give it the label of every image as dataset.targets"
)


class StoredObserver(Observer, Protocol):
    """An observer whose findings can be kept in a folder, and taken from there instead of from a pass."""

    def save(self, folder: Path) -> None:
        """Write what was found into an existing folder."""

    def restore(self, folder: Path) -> None:
        """Take what `save` wrote."""


ObserverT = TypeVar("ObserverT", bound=StoredObserver)
ObserverT_co = TypeVar("ObserverT_co", bound=StoredObserver, covariant=True)


class Watcher(Protocol[ObserverT_co]):
    """What hangs an observer on each network of a pass."""

    @property
    def name(self) -> str:
        """Unique among the watchers of a pass; names its folder in a cache."""

    def applies_to(self, variant: Variant) -> bool:
        """Return whether there is anything to watch in a network."""

    def inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Return what the findings depend on beside network, images and arithmetic, JSON-ready: layers, options."""

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> ObserverT_co:
        """Return what watches a network.

        Args:
            variant: The network.
            preprocessing: What is done to its images.
            stream: What it will see.
            folder: Where findings that grow with the images are written during the pass; None keeps them in memory.
        """


@dataclass(frozen=True)
class Reading:
    """How the data are read and the networks run.

    Attributes:
        settings: Device, precision, folding, decoder, progress bar.
        batch_size: Images per batch; None chooses by their size and the device.
        workers: Processes that decode images; None chooses by the device.
        cache: Directory that keeps finished passes; None keeps nothing.
    """

    settings: Settings = field(default_factory=Settings)
    batch_size: int | None = None
    workers: int | None = 0
    cache: Path | None = None

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return resolve_device(self.settings.device)


@dataclass(frozen=True)
class Observation(Generic[ObserverT]):
    """What a pass showed of one network.

    Attributes:
        variant: The network.
        observer: The watcher's observer, after the pass.
        accuracy: Measured in the same pass.
        correct: Whether each image's label has the highest logit, ``(N,)``; None where accuracy was not measured, and
            in all but the first of several processes.
        classes: Class names of the data; empty where only reading the data tells how many there are.
        outputs: Names of the network's outputs, and why the labels are not theirs where they are not.
        arithmetic: How the pass ran, JSON-ready, for a result's settings.
        noticed: What the pass noticed about the network.
        record: Of the pass, which other networks may share; None where the findings come from the cache.
    """

    variant: Variant
    observer: ObserverT
    accuracy: Accuracy
    classes: tuple[str, ...]
    outputs: OutputNames = field(default_factory=lambda: OutputNames(()))
    correct: NDArray[np.bool_] | None = None
    arithmetic: Mapping[str, Any] = field(default_factory=dict)
    noticed: tuple[str, ...] = ()
    record: PassRecord | None = None

    def warnings(self) -> list[str]:
        """Return what every analysis should say: what the pass noticed, foreign labels, an accuracy like chance."""
        noticed = [f"{self.variant.title}: {sentence}" for sentence in self.noticed]
        if self.outputs.misfit:
            noticed.append(self.outputs.misfit)
        recorded = self.variant.recorded_accuracy
        bad = accuracy_warning(self.variant.title, self.accuracy, len(self.classes), recorded)
        return [*noticed, bad] if bad else noticed


def observe(
    variants: Sequence[Variant], data: ImageData, watcher: Watcher[ObserverT], reading: Reading
) -> list[Observation[ObserverT]]:
    """Run networks over data for one watcher that applies to all of them; see `observe_all`."""
    (found,) = observe_all(variants, data, [watcher], reading)
    return [observation for observation in found if observation is not None]


def observe_all(
    variants: Sequence[Variant], data: ImageData, watchers: Sequence[Watcher[Any]], reading: Reading
) -> list[list[Observation[Any] | None]]:
    """Run networks over data, each image once through each network for all watchers.

    Networks that share the geometry of their images share one reading. With a cache, a network that has been run with
    the same inputs is not run again; what a pass found appears in the cache as soon as it is complete. Of processes
    that share the run, all have the sums and only the first has the findings that grow with the images.

    Returns:
        Per watcher an observation per variant, in order; None where the watcher does not apply.
    """
    found: dict[int, _Watched] = {}
    for stream, group in shared_streams(variants, data, reading):
        asked = [
            {watcher.name: watcher.inputs(variant) for watcher in watchers if watcher.applies_to(variant)}
            for variant, _ in group
        ]
        check_same_pass(group, stream, reading.settings, asked)
        with ExitStack() as stack:
            watched = [
                _watched(variant, how, stream, watchers, of_network, reading, stack)
                for (variant, how), of_network in zip(group, asked, strict=True)
            ]
            fresh = [each for each in watched if not each.facts]
            record = run([each.job() for each in fresh], stream, reading.settings) if fresh else None
            stream.check_unchanged()
            for position, each in enumerate(fresh):
                assert record is not None
                each.take(record, record.networks[position], stream.batch_size)
        found.update((id(each.variant), each) for each in watched)
    return [[found[id(variant)].observation(watcher.name) for variant in variants] for watcher in watchers]


def by_watcher(
    watchers: Sequence[Watcher[Any]], found: Sequence[Sequence[Observation[Any] | None]]
) -> dict[str, list[Observation[Any]]]:
    """Return what `observe_all` found for each watcher by its name, of the networks that it applies to."""
    return {
        watcher.name: [each for each in of_watcher if each is not None]
        for watcher, of_watcher in zip(watchers, found, strict=True)
    }


def shared_streams(
    variants: Sequence[Variant],
    data: ImageData,
    reading: Reading,
    choose: Callable[[int, torch.device], int] = pass_batch_size,
) -> Iterator[tuple[Stream, list[tuple[Variant, Preprocessing | None]]]]:
    """Yield a stream of the images for each group of variants that share decoded images, with their preprocessing.

    Args:
        variants: The networks.
        data: The images.
        reading: Device, batch size, workers.
        choose: (side of the images, device) -> images per batch, where the reading leaves that open.
    """
    for group in grouped_by_geometry(variants, data):
        yield open_stream(data, group[0][1], reading.batch_size, reading.workers, reading.device, choose), group


def passes_of(observations: Sequence[Observation[Any] | None]) -> list[PassRecord]:
    """Return the records of the passes behind some observations, each once; none for what the cache held."""
    records = [each.record for each in observations if each is not None and each.record is not None]
    return list({id(record): record for record in records}.values())


def class_names(stream: Stream) -> tuple[str, ...]:
    """Return the names of the classes; their numbers where the data has no names.

    Raises:
        DataError: If only reading the data would tell how many there are.
    """
    if stream.classes is not None:
        return stream.classes
    if stream.labels is None:
        raise DataError(f"{CLASSES_NOT_KNOWN}.")
    return tuple(str(label) for label in range(int(stream.labels.max()) + 1))


@dataclass
class _Watched:
    """A network with everything that watches it."""

    variant: Variant
    preprocessing: Preprocessing | None
    observers: Mapping[str, StoredObserver]
    accuracy: AccuracyObserver
    classes: tuple[str, ...]
    entry: PassEntry | None
    folder: Path | None
    facts: Mapping[str, Any]
    """How the pass ran; empty before it has."""
    kept: ExitStack
    """Holds the folder, which appears in the cache when this is closed."""
    record: PassRecord | None = None

    def job(self) -> Job:
        observers: list[Observer] = [*self.observers.values(), self.accuracy]
        return Job(self.variant.model, observers, self.preprocessing, self.variant.title, task_of(self.variant))

    def take(self, record: PassRecord, network: NetworkRecord, batch_size: int | None) -> None:
        """Note how the pass went, and keep what was found where there is a cache."""
        self.record = record
        self.facts = {
            "arithmetic": {
                "precision": record.precision,
                "device": record.device,
                "batch_size": batch_size,
                "batch_norms_folded": network.folded,
                "blocks_fused": network.fused,
                "channels_last": network.channels_last,
                "number_type": network.number_type,
                "copied": network.copied,
                **({} if network.part_size is None else {"part_size": network.part_size}),
                "compiled": network.compiled,
                **({} if record.decoding is None else {"decoding": asdict(record.decoding)}),
            },
            "noticed": list(network.warnings),
        }
        if self.entry is not None and self.folder is not None:
            with self.entry.explained():
                for name, observer in self.observers.items():
                    observer.save(self.folder / name)
                self.accuracy.save(self.folder / ACCURACY)
                self.entry.complete(self.folder, self.facts)
                self.restore(self.folder)  # before another process can see it: it stays mapped under any name
                self.kept.close()

    def restore(self, folder: Path) -> None:
        """Take what was found from a folder, so that a fresh pass and one of the cache give the same bits."""
        for name, observer in self.observers.items():
            observer.restore(folder / name)
        self.accuracy.restore(folder / ACCURACY)

    def observation(self, name: str) -> Observation[Any] | None:
        if name not in self.observers:
            return None
        return Observation(
            self.variant,
            self.observers[name],
            self.accuracy.result(),
            self.classes,
            self._output_names(),
            self.accuracy.correct(),
            self.facts["arithmetic"],
            tuple(self.facts["noticed"]),
            self.record,
        )

    def _output_names(self) -> OutputNames:
        if self.variant.finds_objects or self.variant.finds_joints or not self.variant.has_head:
            return OutputNames(())
        return output_names(self.variant, self.classes, self.accuracy.outputs, self.accuracy.fits)


def _watched(
    variant: Variant,
    preprocessing: Preprocessing | None,
    stream: Stream,
    watchers: Sequence[Watcher[Any]],
    asked: Mapping[str, Mapping[str, Any]],
    reading: Reading,
    stack: ExitStack,
) -> _Watched:
    """Look up what the cache holds of a network, and set up what watches it for the rest."""
    folder = None
    kept = stack.enter_context(ExitStack())
    entry = pass_entry(reading.cache, variant, preprocessing, stream, reading.settings, asked)
    facts = found_by_all(entry)
    if entry is not None and not facts:
        if not current().first:
            entry, folder = None, _scratch(kept, [*asked])
        elif entry.may_write():
            folder = kept.enter_context(entry.writing([*asked, ACCURACY]))
        else:
            entry = None
    classes = stream.classes or (class_names(stream) if stream.labels is not None else ())
    watched = _Watched(
        variant,
        preprocessing,
        {
            watcher.name: watcher.watch(variant, preprocessing, stream, folder and folder / watcher.name)
            for watcher in watchers
            if watcher.name in asked
        },
        task_of(variant).accuracy(len(classes), stream.classes, variant.classes, variant.has_head),
        classes,
        entry,
        folder,
        facts,
        kept,
    )
    if facts and entry is not None:
        watched.restore(entry.path)
    return watched


def _scratch(kept: ExitStack, names: Sequence[str]) -> Path:
    """Return a place for what a process that does not write the cache will send to the one that does."""
    folder = Path(kept.enter_context(TemporaryDirectory(prefix="autola-")))
    for name in names:
        (folder / name).mkdir()
    return folder
