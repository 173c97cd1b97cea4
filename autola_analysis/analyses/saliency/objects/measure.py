"""Explain the objects of images with several detectors, the same objects for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.explain_objects import CORNERS, ObjectExplanation, as_floats, explain_objects
from autola_analysis.analyses.saliency.items.together import (
    ExplainedNetwork,
    exactly,
    explain_together,
    remarks_on_precision,
)
from autola_analysis.analyses.saliency.objects.assembly import assembled
from autola_analysis.analyses.saliency.objects.batch import Curves, ExplainedImage, SeenObjects, images_of
from autola_analysis.analyses.saliency.objects.faithfulness import ready_to_read
from autola_analysis.analyses.saliency.objects.localise import UNINFORMED
from autola_analysis.analyses.saliency.objects.question import ObjectQuestion
from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.sanity.objects import object_sanity
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.stream import Batch

OBJECTS_OF_AN_IMAGE = 8
"""Objects that an image is taken to have where the batch size is chosen: maps and gradients are held of each"""


class ExplainedDetector(ExplainedNetwork[ObjectQuestion, SeenObjects]):
    """A detector that is explained; the first one decides which detections are."""

    def take(self, batch: Batch) -> None:
        """Explain the objects of the images of one batch.

        Raises:
            DataError: If the network cannot run on such images.
        """
        with forward_of(self.variant.title, batch.images.shape[1:]):
            explanation = self._explained(batch)
            images = images_of(self.question, self.variant, batch, explanation)
            curves = self._curves(batch, images) if self.question.options.faithfulness else [{}] * len(images)
        seen = SeenObjects(strongest=list(zip(batch.indices.tolist(), explanation.strongest, strict=True)))
        for image, of_image in zip(images, curves, strict=True):
            seen.rows.extend(image.rows(of_image))
            seen.panels.extend(image.panels())
            if self.first:
                seen.chance.extend(image.chance(UNINFORMED))
        self.keep(batch, seen, list(explanation.maps))

    def _explained(self, batch: Batch) -> ObjectExplanation:
        question, options = self.question, self.question.options
        size = (batch.images.shape[2], batch.images.shape[3])
        detects = question.target == "detection" and self.first
        target = "object" if question.target == "detection" and not self.first else question.target
        explanation = explain_objects(
            self.variant,
            batch.images,
            question.methods,
            options.layers,
            target,
            None if detects else [question.in_pixels(index, self.variant, size) for index in batch.indices.tolist()],
            threshold=options.threshold,
            most=options.most,
            margin=options.score == "margin",
            guide_gates=options.guide_gates,
        )
        return self._asking(batch, explanation) if detects else explanation

    def _asking(self, batch: Batch, explanation: ObjectExplanation) -> ObjectExplanation:
        """Ask all networks for the detections, and return the explanation of those whose class the data have."""
        rows, size = explanation.objects, (batch.images.shape[2], batch.images.shape[3])
        classes = self.question.classes.meant(self.variant, rows["label"].to_numpy(np.int64))
        kept = np.flatnonzero(classes >= 0)
        for place, index in enumerate(batch.indices.tolist()):
            own = kept[rows["image"].to_numpy()[kept] == place]
            boxes = rows[CORNERS].to_numpy(float)[own] / self.question.scale(index, size)
            self.question.take_detections(index, boxes, classes[own])
        return explanation if len(kept) == len(rows) else explanation.part(kept)

    def _curves(self, batch: Batch, images: Sequence[ExplainedImage]) -> list[Curves]:
        """Return insertion and deletion by the maps of every object, image by image."""
        pixels = as_floats(batch.images, self.variant.model)
        with ready_to_read(self.variant.model, pixels) as detector:
            return [image.curves(detector, own) for image, own in zip(images, pixels, strict=True)]


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
    question = ObjectQuestion.of(variants, source, options)
    detectors = [ExplainedDetector(variant, variant is variants[0], question) for variant in variants]
    everything, layers = explain_together(
        detectors, source, exactly(reading), _batch_size, SeenObjects, after_group=question.share
    )
    result = assembled(question, variants, everything, layers)
    return replace(result, warnings=(*result.warnings, *remarks_on_precision(reading)))


def objects_checked_by_randomising(
    result: ObjectSaliencyResult,
    variants: Sequence[Variant],
    source: ObjectSource,
    options: SaliencyOptions,
    reading: Reading,
) -> ObjectSaliencyResult:
    """Return a result with the sanity check that the options ask for, on objects of the result."""
    if not options.sanity:
        return result
    question = ObjectQuestion.of(variants, source, options)
    if question.target == "detection":
        of_first = result.objects[(result.objects["model"] == variants[0].name)
                                  & (result.objects["run"] == variants[0].run)]  # fmt: skip
        for image, rows in of_first.drop_duplicates(["image", "object"]).groupby("image", sort=False):
            classes = np.array([question.classes.names.index(name) for name in rows["class"]], dtype=np.int64)
            question.take_detections(source.ids.index(str(image)), rows[CORNERS].to_numpy(float), classes)
    checked = object_sanity(question, variants, reading.device, reading.settings.quiet)
    if checked is None:
        return replace(result, warnings=(*result.warnings, "there is no object to check against random weights."))
    return replace(result, sanity=checked, warnings=(*result.warnings, *checked.warnings))


def _batch_size(side: int, device: torch.device) -> int:
    return max(1, gradient_batch_size(side, device) // OBJECTS_OF_AN_IMAGE)
