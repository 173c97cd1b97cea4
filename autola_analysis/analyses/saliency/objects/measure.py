"""Explain the objects of images with several detectors, the same objects for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from operator import itemgetter

import numpy as np
import torch

from autola_analysis.analyses.agreement import check_same_pass
from autola_analysis.analyses.observation import Reading, shared_streams
from autola_analysis.analyses.saliency.explain_objects import CORNERS, ObjectExplanation, explain_objects
from autola_analysis.analyses.saliency.objects.assembly import assembled
from autola_analysis.analyses.saliency.objects.batch import Seen, images_of
from autola_analysis.analyses.saliency.objects.localise import UNINFORMED
from autola_analysis.analyses.saliency.objects.question import ObjectQuestion, objects_of
from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.variants import Variant, placed
from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import current
from autola_analysis.core.objects import Objects
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.stream import Batch, Stream

ANALYSIS = "saliency"
OBJECTS_OF_AN_IMAGE = 8
"""Objects that an image is taken to have where the batch size is chosen: maps and gradients are held of each"""


@dataclass
class Detector:
    """A detector that is explained.

    Attributes:
        variant: The network, with the preprocessing of its images.
        first: Whether it decides which detections are explained, and stands beside the maps that know nothing.
        question: What it is asked.
        batches: Number of a batch's first image, and what it gave.
        layers: Where methods that need a layer explain.
    """

    variant: Variant
    first: bool
    question: ObjectQuestion
    batches: list[tuple[int, Seen]] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    def take(self, batch: Batch) -> None:
        """Explain the objects of the images of one batch.

        Raises:
            DataError: If the network cannot run on such images.
        """
        with forward_of(self.variant.title, batch.images.shape[1:]):
            explanation = self._explained(batch)
        self.layers = list(dict.fromkeys(layer for _, layer in explanation.maps if layer is not None))
        seen = Seen(strongest=list(zip(batch.indices.tolist(), explanation.strongest, strict=True)))
        for image in images_of(self.question, self.variant, batch, explanation):
            seen.rows.extend(image.rows())
            seen.panels.extend(image.panels())
            if self.first:
                seen.chance.extend(image.chance(UNINFORMED))
        self.batches.append((int(batch.indices[0]), seen))

    def _explained(self, batch: Batch) -> ObjectExplanation:
        question, options = self.question, self.question.options
        detects = question.target == "detection" and self.first
        target = "object" if question.target == "detection" and not self.first else question.target
        explanation = explain_objects(
            self.variant,
            batch.images,
            question.methods,
            options.layers,
            target,
            None if detects else [self._in_pixels(batch, index) for index in batch.indices.tolist()],
            threshold=options.threshold,
            most=options.most,
            margin=options.score == "margin",
            guide_gates=options.guide_gates,
        )
        return self._asking(batch, explanation) if detects else explanation

    def _asking(self, batch: Batch, explanation: ObjectExplanation) -> ObjectExplanation:
        """Ask all networks for the detections, and return the explanation of those whose class the data have."""
        rows = explanation.objects
        classes = self.question.classes.meant(self.variant, rows["label"].to_numpy(np.int64))
        kept = np.flatnonzero(classes >= 0)
        for place, index in enumerate(batch.indices.tolist()):
            own = kept[rows["image"].to_numpy()[kept] == place]
            boxes = rows[CORNERS].to_numpy(float)[own] / self._scale(batch, index)
            self.question.take_detections(index, boxes, classes[own])
        return explanation if len(kept) == len(rows) else explanation.part(kept)

    def _in_pixels(self, batch: Batch, index: int) -> Objects:
        """Return what is asked of an image, in its pixels as the network gets it and by the network's labels."""
        asked = self.question.asked[index]
        return objects_of(
            asked.boxes * self._scale(batch, index), self.question.classes.labels(self.variant, asked.classes)
        )

    def _scale(self, batch: Batch, index: int) -> np.ndarray:
        sides = np.array([batch.images.shape[3], batch.images.shape[2]]) / self.question.source.sizes[index]
        return np.tile(sides, 2)


def explained_objects(
    variants: Sequence[Variant], source: ObjectSource, options: SaliencyOptions, reading: Reading
) -> ObjectSaliencyResult:
    """Explain the same objects with every detector; all processes of a run share the images.

    Annotated objects are explained by the candidate that stands for them, see `object_targets.chooser`. Of detections,
    those of the first network are explained, by all networks.

    Args:
        variants: The detectors.
        source: The images.
        options: Methods, layers, target, threshold.
        reading: Device, batch size, workers, progress bar; the arithmetic is always float32, uncompiled.
    """
    asked = reading.settings
    reading = replace(reading, settings=replace(asked, compile=False, precision="float32"))
    question = ObjectQuestion.of(variants, source, options)
    found: dict[int, Detector] = {}
    with progress_bar(len(source) * len(variants), "explaining", quiet=asked.quiet) as bar:
        for stream, group in shared_streams(variants, source, reading, _batch_size):
            check_same_pass(group, stream, reading.settings, [{ANALYSIS: question.inputs()}] * len(group))
            for variant, preprocessing in group:
                ready = replace(variant, preprocessing=preprocessing)
                found[id(variant)] = Detector(ready, variant is variants[0], question)
            _take_batches([found[id(variant)] for variant, _ in group], stream, reading, bar.update)
            stream.check_unchanged()
            question.share()
    detectors = [found[id(variant)] for variant in variants]
    processes = current()
    for each in detectors:
        mine = ((number, seen.plain()) for number, seen in sorted(each.batches, key=itemgetter(0)))
        each.batches = [(number, Seen.of_plain(values)) for number, values in processes.gather_in_order(mine)]
    everything = [[seen for _, seen in each.batches] for each in detectors]
    layers = next((each.layers for each in detectors if each.layers), [])
    precise = asked.precision == "float32"
    remark = f"saliency maps are made in float32: gradients are not taken in {asked.precision}."
    result = assembled(question, [each.variant for each in detectors], everything, layers)
    return result if precise else replace(result, warnings=(*result.warnings, remark))


def _take_batches(
    detectors: Sequence[Detector], stream: Stream, reading: Reading, progress: Callable[[int], object]
) -> None:
    """Let the detectors explain this process's share of the batches."""
    processes, device = current(), resolve_device(reading.settings.device)
    for each in detectors:
        each.variant = placed(each.variant, device)
    count, before = processes.counter(), 0
    with freed_memory_kept(), closing(stream.batches(processes.rank, processes.world_size)) as batches:
        for batch in batches:
            for each in detectors:
                each.take(batch)
                explained = count(len(batch.indices))
                progress(explained - before)
                before = explained


def _batch_size(side: int, device: torch.device) -> int:
    return max(1, gradient_batch_size(side, device) // OBJECTS_OF_AN_IMAGE)
