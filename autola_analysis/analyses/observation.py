"""One reading of the data for several networks: what every analysis of activations shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from autola_analysis.analyses.variants import Variant, grouped_by_geometry
from autola_analysis.core.errors import DataError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.accuracy import Accuracy, AccuracyObserver, chance_warning
from autola_analysis.inference.run import Job, Observer, PassRecord, Settings, run
from autola_analysis.inference.stream import ImageData, Stream, open_stream

ObserverT = TypeVar("ObserverT", bound=Observer)
MakeObserver = Callable[[Variant, Preprocessing | None, Stream], ObserverT]
"""(network, its preprocessing, the stream it will see) -> what watches it"""


@dataclass(frozen=True)
class Reading:
    """How the data are read and the networks run.

    Attributes:
        settings: Device, precision, folding, progress bar.
        batch_size: Images per batch; None chooses by the size of the images.
        workers: Processes that decode images.
    """

    settings: Settings | None = None
    batch_size: int | None = None
    workers: int = 0


@dataclass(frozen=True)
class Observation(Generic[ObserverT]):
    """What a pass showed of one network.

    Attributes:
        variant: The network.
        observer: The analysis' observer, after the pass.
        accuracy: Measured in the same pass.
        classes: Class names of the data.
        record: Of the pass, which other networks may share.
        batch_size: Images per batch; None where a loader decided.
    """

    variant: Variant
    observer: ObserverT
    accuracy: Accuracy
    classes: tuple[str, ...]
    record: PassRecord
    batch_size: int | None

    def settings(self) -> dict[str, Any]:
        """Return how the pass ran, JSON-ready, for a result's settings."""
        return {
            "precision": self.record.precision,
            "device": self.record.device,
            "batch_size": self.batch_size,
            "batch_norms_folded": self.record.folded[self.variant.title],
            "channels_last": self.record.channels_last[self.variant.title],
        }

    def warnings(self) -> list[str]:
        """Return what every analysis should say: what the pass noticed, an accuracy that is no better than chance."""
        noticed = [warning for warning in self.record.warnings if warning.startswith(f"{self.variant.title}: ")]
        guessing = chance_warning(self.variant.title, self.accuracy, len(self.classes))
        return [*noticed, guessing] if guessing else noticed


def observe(
    variants: Sequence[Variant], data: ImageData, make_observer: MakeObserver[ObserverT], reading: Reading
) -> list[Observation[ObserverT]]:
    """Run networks over data; those that share the geometry of their images share one reading.

    Returns:
        An observation per variant, in order.
    """
    found: dict[int, Observation[ObserverT]] = {}
    for group in grouped_by_geometry(variants, data):
        stream = open_stream(data, group[0][1], reading.batch_size, reading.workers)
        classes = class_names(stream)
        observers = [make_observer(variant, preprocessing, stream) for variant, preprocessing in group]
        accuracies = [
            AccuracyObserver(len(classes), stream.classes, variant.classes, variant.has_head) for variant, _ in group
        ]
        jobs = [
            Job(variant.model, [observer, accuracy], preprocessing, variant.title)
            for (variant, preprocessing), observer, accuracy in zip(group, observers, accuracies, strict=True)
        ]
        record = run(jobs, stream, reading.settings)
        for (variant, _), observer, accuracy in zip(group, observers, accuracies, strict=True):
            found[id(variant)] = Observation(variant, observer, accuracy.result(), classes, record, stream.batch_size)
    return [found[id(variant)] for variant in variants]


def passes_of(observations: Sequence[Observation[Any]]) -> list[PassRecord]:
    """Return the records of the passes behind some observations, each once."""
    return list({id(observation.record): observation.record for observation in observations}.values())


def class_names(stream: Stream) -> tuple[str, ...]:
    """Return the names of the classes; their numbers where the data has no names.

    Raises:
        DataError: If only reading the data would tell how many there are.
    """
    if stream.classes is not None:
        return stream.classes
    if stream.labels is None:
        raise DataError(
            "the number of classes is not known before this loader is read; "
            "give a loader with shuffle=False over a data set with `targets`, or one with `classes`."
        )
    return tuple(str(label) for label in range(int(stream.labels.max()) + 1))
