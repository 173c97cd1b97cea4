"""Which objects all networks explain, image by image, and whose maps are kept for the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import box_iou

from autola_analysis.analyses.object_classes import NOT_THERE
from autola_analysis.analyses.saliency.explain_objects import DEFAULT_METHODS
from autola_analysis.analyses.saliency.object_targets import OVERLAP
from autola_analysis.analyses.saliency.objects.classes import Classes
from autola_analysis.analyses.saliency.options import ObjectTarget, SaliencyOptions
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import current
from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.subset import seeded_order

ROWS_ALONE, ROWS = 12, 4
"""Objects of an image in the figures, at most, where it is the only image, and where there are more"""
SIDES = (32, 96)
"""Roots of the areas, in pixels, that part small, medium and large objects"""


@dataclass(frozen=True)
class Asked:
    """The objects of an image that all networks explain.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the stored image, ``(n, 4)``.
        classes: Place of each in the names of the classes, ``(n,)``.
        numbers: Of the annotated objects; -1 for a detection that finds none, ``(n,)``.
    """

    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]
    numbers: NDArray[np.int64]


@dataclass(frozen=True)
class ObjectQuestion:
    """What every detector is asked.

    Attributes:
        source: The images.
        options: Methods, layers, threshold, score.
        classes: What labels mean.
        target: What is explained.
        shown: Numbers of the images whose maps are kept.
        asked: Objects by the number of the image; of detections filled by the first network.
    """

    source: ObjectSource
    options: SaliencyOptions
    classes: Classes
    target: ObjectTarget
    shown: frozenset[int]
    asked: dict[int, Asked] = field(default_factory=dict)

    @classmethod
    def of(cls, variants: Sequence[Variant], source: ObjectSource, options: SaliencyOptions) -> ObjectQuestion:
        """Choose objects and the images to show; see `check` for what is refused before."""
        target = target_of(options, source)
        chosen = options.shown or np.sort(seeded_order(source.ids, options.seed)[: options.show])
        question = cls(source, options, Classes.of(variants, source), target, frozenset(int(each) for each in chosen))
        if target != "detection":
            question.asked.update((index, question._annotated(index)) for index in range(len(source)))
        return question

    @property
    def methods(self) -> list[str]:
        """Names of the methods: those of detectors where none were asked for."""
        return methods_of(self.options)

    def inputs(self) -> dict[str, Any]:
        """Return what the findings depend on beside networks and images, JSON-ready."""
        asked = self.options.model_dump(mode="json", exclude={"images"})
        return {**asked, "methods": self.methods, "target": self.target, "shown": sorted(self.shown)}

    def take_detections(self, index: int, boxes: NDArray[np.float64], classes: NDArray[np.int64]) -> None:
        """Ask all networks for what the first one has detected in an image; each finds the object it overlaps most."""
        numbers = found_objects(boxes, classes, self.source.objects(index))
        self.asked[index] = Asked(boxes, classes, numbers)

    def in_pixels(self, index: int, variant: Variant, size: tuple[int, int]) -> Objects:
        """Return what is asked of an image, in its pixels as a network gets it and by the network's labels.

        Args:
            index: Number of the image.
            variant: The network.
            size: Height and width of the image as the network gets it.
        """
        asked = self.asked[index]
        return objects_of(asked.boxes * self.scale(index, size), self.classes.labels(variant, asked.classes))

    def scale(self, index: int, size: tuple[int, int]) -> NDArray[np.float64]:
        """Return what brings boxes from pixels of a stored image to those of the same image of another size."""
        return np.tile(np.array(size[::-1]) / self.source.sizes[index], 2)

    def share(self) -> None:
        """Let all processes know what is asked of every image."""
        for theirs in current().all_gather_object({index: vars(each) for index, each in self.asked.items()}):
            self.asked.update((index, Asked(**values)) for index, values in theirs.items())

    def rows_shown(self, index: int) -> list[int]:
        """Return the places of the objects of an image whose maps are kept: the strongest, or some by seed."""
        if index not in self.shown:
            return []
        count, most = len(self.asked[index].classes), ROWS_ALONE if len(self.shown) == 1 else ROWS
        if self.target == "detection":
            return list(range(min(count, most)))
        return sorted(seeded_order(self._names(index, count), self.options.seed)[:most].tolist())

    def size_of(self, index: int, number: int) -> str:
        """Return whether an annotated object is small, medium or large, as COCO has it; empty for none."""
        if number < 0:
            return ""
        area = float(self.source.objects(index).areas[number])
        return ("small", "medium", "large")[sum(area >= side**2 for side in SIDES)]

    def _annotated(self, index: int) -> Asked:
        objects = self.source.objects(index)
        known = set.intersection(*({int(each) for each in labels} for labels in self.classes.by_title.values()))
        single = [number for number in np.flatnonzero(~objects.crowd) if int(objects.labels[number]) in known]
        order = seeded_order(self._names(index, len(single)), self.options.seed)[: self.options.most]
        numbers = np.array(single, dtype=np.int64)[np.sort(order)]
        return Asked(objects.boxes[numbers], objects.labels[numbers], numbers)

    def _names(self, index: int, count: int) -> list[str]:
        return [f"{self.source.ids[index]}/{number}" for number in range(count)]


def target_of(options: SaliencyOptions, source: ObjectSource) -> ObjectTarget:
    """Return what is explained: what is asked for, else annotated objects, else detections."""
    if options.target is not None:
        return options.target  # type: ignore[return-value]
    return "object" if len(source.classes) else "detection"


def methods_of(options: SaliencyOptions) -> list[str]:
    """Return the names of the methods: those of detectors where none were asked for."""
    return list(options.methods if options.given(["methods"]) else DEFAULT_METHODS)


def objects_of(boxes: NDArray[np.float64], labels: NDArray[np.int64]) -> Objects:
    """Return boxes and labels as the objects of an image."""
    count = len(labels)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return Objects(boxes, labels, areas, np.zeros(count, dtype=np.bool_), np.arange(count))


def found_objects(boxes: NDArray[np.float64], classes: NDArray[np.int64], objects: Objects) -> NDArray[np.int64]:
    """Return of every detection the object of its class, no crowd, that it overlaps most, from an IoU of 0.5 on."""
    if not len(objects) or not len(boxes):
        return np.full(len(boxes), NOT_THERE)
    overlaps = box_iou(torch.from_numpy(boxes), torch.from_numpy(objects.boxes)).numpy()
    overlaps = np.where((classes[:, None] == objects.labels) & ~objects.crowd, overlaps, 0)
    return np.where(overlaps.max(1) >= OVERLAP, overlaps.argmax(1), NOT_THERE)
