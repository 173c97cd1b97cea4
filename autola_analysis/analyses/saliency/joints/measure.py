"""Explain the joints of people with several networks, the same people for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from operator import itemgetter

import numpy as np
import torch

from autola_analysis.analyses.agreement import check_same_pass
from autola_analysis.analyses.observation import Reading, shared_streams
from autola_analysis.analyses.saliency.explain_joints import explain_joints
from autola_analysis.analyses.saliency.joints.assembly import assembled
from autola_analysis.analyses.saliency.joints.explained import ExplainedPeople, Seen
from autola_analysis.analyses.saliency.joints.question import JointQuestion
from autola_analysis.analyses.saliency.joints.result import JointSaliencyResult
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.variants import Variant, placed
from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import current
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.stream import Batch, Stream

ANALYSIS = "saliency"


@dataclass
class Explained:
    """A network whose joints are explained.

    Attributes:
        variant: The network, with the preprocessing of its crops.
        first: Whether the maps that know nothing stand beside it.
        question: What it is asked.
        batches: Number of a batch's first person, and what it gave.
        layers: Where methods that need a layer explain.
    """

    variant: Variant
    first: bool
    question: JointQuestion
    batches: list[tuple[int, Seen]] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    def take(self, batch: Batch) -> None:
        """Explain the joints of the people of one batch.

        Raises:
            DataError: If the network cannot run on such crops.
        """
        question, options = self.question, self.question.options
        joints = np.stack([question.joints(person) for person in batch.indices.tolist()])
        with forward_of(self.variant.title, batch.images.shape[1:]):
            explanation = explain_joints(
                self.variant,
                batch.images,
                question.methods,
                options.layers,
                joints,
                question.target,
                guide_gates=options.guide_gates,
            )
        self.layers = list(dict.fromkeys(layer for _, layer in explanation.maps if layer is not None))
        people = ExplainedPeople.of(question, self.variant, batch, explanation)
        chance = list(people.chance()) if self.first else []
        seen = Seen(list(people.rows()), chance, people.shares(), list(people.panels()))
        self.batches.append((int(batch.indices[0]), seen))


def explained_joints(
    variants: Sequence[Variant], crops: PersonCrops, options: SaliencyOptions, reading: Reading
) -> JointSaliencyResult:
    """Explain the same joints with every network; all processes of a run share the people.

    Args:
        variants: Networks for joints.
        crops: The people.
        options: Methods, layers, target.
        reading: Device, batch size, workers, progress bar; the arithmetic is always float32, uncompiled.
    """
    asked = reading.settings
    reading = replace(reading, settings=replace(asked, compile=False, precision="float32"))
    question = JointQuestion.of(crops, options)
    found: dict[int, Explained] = {}

    def batch_size(side: int, device: torch.device) -> int:
        return max(1, gradient_batch_size(side, device) // len(question.names))

    with progress_bar(len(crops) * len(variants), "explaining", quiet=asked.quiet) as bar:
        for stream, group in shared_streams(variants, crops, reading, batch_size):
            check_same_pass(group, stream, reading.settings, [{ANALYSIS: question.inputs()}] * len(group))
            for variant, preprocessing in group:
                ready = replace(variant, preprocessing=preprocessing)
                found[id(variant)] = Explained(ready, variant is variants[0], question)
            _take_batches([found[id(variant)] for variant, _ in group], stream, reading, bar.update)
            stream.check_unchanged()
    networks = [found[id(variant)] for variant in variants]
    processes = current()
    for each in networks:
        mine = ((number, seen.plain()) for number, seen in sorted(each.batches, key=itemgetter(0)))
        each.batches = [(number, Seen.of_plain(values)) for number, values in processes.gather_in_order(mine)]
    everything = [[seen for _, seen in each.batches] for each in networks]
    layers = next((each.layers for each in networks if each.layers), [])
    result = assembled(question, [each.variant for each in networks], everything, layers)
    if asked.precision == "float32":
        return result
    remark = f"saliency maps are made in float32: gradients are not taken in {asked.precision}."
    return replace(result, warnings=(*result.warnings, remark))


def _take_batches(
    networks: Sequence[Explained], stream: Stream, reading: Reading, progress: Callable[[int], object]
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
