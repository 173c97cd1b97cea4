"""The passes of a study: each data set is read once, each network sees each image once, for all analyses together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.analysis import Observed
from autola_analysis.analyses.chosen import ChosenImages
from autola_analysis.analyses.observation import (
    Observation,
    Reading,
    StoredObserver,
    Watcher,
    by_watcher,
    observe_all,
    passes_of,
)
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import Source
from autola_analysis.data.subset import ObjectSubset, Subset, part_of
from autola_analysis.inference.run import PassRecord
from autola_analysis.inference.stream import Stream
from autola_analysis.study.models import StudyModel
from autola_analysis.study.networks import Network
from autola_analysis.study.plan import Plan, PlannedAnalysis


@dataclass
class PassResults:
    """What the passes of a study gave.

    Attributes:
        observed: Per analysis with watchers, by name.
        networks: Networks with their accuracy, per data set that was read.
        records: Of the passes that were run; those that the cache held have none.
    """

    observed: dict[str, Observed] = field(default_factory=dict)
    networks: list[Network] = field(default_factory=list)
    records: list[PassRecord] = field(default_factory=list)


class _ForSome:
    """A watcher for some networks of a pass, under a name that is unique in it.

    Args:
        watcher: The watcher.
        planned: The analysis that it belongs to.
    """

    def __init__(self, watcher: Watcher[Any], planned: PlannedAnalysis) -> None:
        self.name = watcher.name
        self._watcher = watcher
        self._variants = {id(model.variant) for model in planned.models}

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the network is one of the analysis, and there is anything to watch in it."""
        return id(variant) in self._variants and self._watcher.applies_to(variant)

    def inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Return the inputs of the watcher."""
        return self._watcher.inputs(variant)

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> StoredObserver:
        """Return what watches the network."""
        return self._watcher.watch(variant, preprocessing, stream, folder)


def run_passes(plan: Plan, reading: Reading) -> PassResults:
    """Run everything that hangs on forward passes."""
    results = PassResults()
    for data in plan.data.values():
        watching = [
            (planned, watchers)
            for planned in plan.analyses
            if planned.data is data and (watchers := planned.analysis.watch(planned.options, planned.subject))
        ]
        if watching:
            _run_pass(plan, data.source, watching, reading, results)
    return results


def images_of_pass(source: Source, samples: Sequence[Source]) -> NDArray[np.int64]:
    """Return the numbers of the images of a source that some samples of it look at together."""
    return np.unique(np.concatenate([_numbers(source, sample) for sample in samples]))


def _run_pass(
    plan: Plan,
    source: Source,
    watching: Sequence[tuple[PlannedAnalysis, Sequence[Watcher[Any]]]],
    reading: Reading,
    results: PassResults,
) -> None:
    read = images_of_pass(source, [planned.source for planned, _ in watching])
    images = source if len(read) == len(source) else part_of(source, read)
    watchers: list[Watcher[Any]] = []
    for planned, own in watching:
        numbers = np.searchsorted(read, _numbers(source, planned.source))
        for watcher in own:
            chosen = watcher if len(numbers) == len(images) else ChosenImages(watcher, numbers)
            watchers.append(_ForSome(chosen, planned))
    models = [model for model in plan.models if any(model in planned.models for planned, _ in watching)]
    observations = observe_all([model.variant for model in models], images, watchers, reading)
    by_name = by_watcher(watchers, observations)
    everything = [each for of_watcher in by_name.values() for each in of_watcher]
    for planned, own in watching:
        results.observed[planned.name] = Observed({watcher.name: by_name[watcher.name] for watcher in own})
    results.networks += _networks(models, images, everything)
    results.records += passes_of(everything)


def _networks(models: Sequence[StudyModel], images: Source, observations: Sequence[Observation[Any]]) -> list[Network]:
    first = {id(each.variant): each for each in reversed(observations)}
    return [
        Network.of(model, images, seen.accuracy, seen.correct)
        for model in models
        if (seen := first.get(id(model.variant))) is not None
    ]


def _numbers(source: Source, sample: Source) -> NDArray[np.int64]:
    if sample is source:
        return np.arange(len(source))
    assert isinstance(sample, Subset | ObjectSubset)
    assert sample.source is source
    return sample.indices
