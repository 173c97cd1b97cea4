"""Explaining the same items with several networks; networks that share their images run together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar

import torch

from autola_analysis.analyses.agreement import check_same_pass
from autola_analysis.analyses.observation import Reading, shared_streams
from autola_analysis.analyses.saliency.items.seen import Seen
from autola_analysis.analyses.variants import Variant, placed
from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import current
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.source import Source
from autola_analysis.inference.stream import Batch, Stream

ANALYSIS = "saliency"


class Question(Protocol):
    """What all networks are asked."""

    def inputs(self) -> dict[str, Any]:
        """Return what the findings depend on beside networks and images, JSON-ready."""


Q = TypeVar("Q", bound=Question)
S = TypeVar("S", bound=Seen)
BatchSize = Callable[[int, torch.device], int]
"""(longer side of the images, device) -> images of a batch"""


@dataclass
class ExplainedNetwork(ABC, Generic[Q, S]):
    """A network whose items are explained. What the items are is said by a subclass.

    Attributes:
        variant: The network; while it runs, with the preprocessing of its images.
        first: Whether the maps that know nothing stand beside it.
        question: What it is asked.
        batches: Number of a batch's first image, and what it gave.
        layers: Where methods that need a layer explain.
    """

    variant: Variant
    first: bool
    question: Q
    batches: list[tuple[int, S]] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    @abstractmethod
    def take(self, batch: Batch) -> None:
        """Explain the items of the images of one batch.

        Raises:
            DataError: If the network cannot run on such images.
        """

    def keep(self, batch: Batch, seen: S, maps: Sequence[tuple[str, str | None]]) -> None:
        """Keep what a batch gave.

        Args:
            batch: The batch.
            seen: What it gave.
            maps: Method and layer of each map.
        """
        self.layers = list(dict.fromkeys(layer for _, layer in maps if layer is not None))
        self.batches.append((int(batch.indices[0]), seen))


def exactly(reading: Reading) -> Reading:
    """Return how images are read where gradients are taken: always in float32, uncompiled."""
    return replace(reading, settings=replace(reading.settings, compile=False, precision="float32"))


def remarks_on_precision(asked: Reading) -> tuple[str, ...]:
    """Say where another precision was asked for than the one that gradients are taken in."""
    precision = asked.settings.precision
    if precision == "float32":
        return ()
    return (f"saliency maps are made in float32: gradients are not taken in {precision}.",)


def explain_together(
    networks: Sequence[ExplainedNetwork[Q, S]],
    data: Source,
    reading: Reading,
    batch_size: BatchSize,
    kind: type[S],
    after_group: Callable[[], object] = lambda: None,
) -> tuple[list[list[S]], list[str]]:
    """Explain the items of all images with every network; all processes of a run share the images.

    Args:
        networks: In their order.
        data: The images.
        reading: As `exactly` gives it.
        batch_size: Where none was asked for.
        kind: Of what a batch gives.
        after_group: Called, in all processes, when the networks that share their images have explained them.

    Returns:
        What each network gave, batch by batch, and the layers.
    """
    settings, processes = reading.settings, current()
    by_variant = {id(each.variant): each for each in networks}
    with progress_bar(len(data) * len(networks), "explaining", quiet=settings.quiet) as bar:
        for stream, group in shared_streams([each.variant for each in networks], data, reading, batch_size):
            check_same_pass(group, stream, settings, [{ANALYSIS: networks[0].question.inputs()}] * len(group))
            running = []
            for variant, preprocessing in group:
                network = by_variant[id(variant)]
                network.variant = replace(variant, preprocessing=preprocessing)
                running.append(network)
            _take_batches(running, stream, reading, bar.update)
            stream.check_unchanged()
            after_group()
    everything = []
    for each in networks:
        mine = ((number, seen.plain()) for number, seen in sorted(each.batches, key=itemgetter(0)))
        everything.append([kind.of_plain(values) for _, values in processes.gather_in_order(mine)])
    return everything, next((each.layers for each in networks if each.layers), [])


def _take_batches(
    networks: Sequence[ExplainedNetwork[Q, S]], stream: Stream, reading: Reading, progress: Callable[[int], object]
) -> None:
    """Let the networks explain this process's share of the batches."""
    processes, device = current(), resolve_device(reading.settings.device)
    for each in networks:
        each.variant = placed(each.variant, device)
    count, before = processes.counter(), 0
    with freed_memory_kept(), closing(stream.batches(processes.rank, processes.world_size)) as batches:
        for batch in batches:
            for each in networks:
                each.take(batch)
                explained = count(len(batch.indices))
                progress(explained - before)
                before = explained
