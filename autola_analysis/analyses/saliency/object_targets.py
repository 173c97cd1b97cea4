"""What is explained of a detector: its detections, annotated objects, or the annotated boxes themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from autola_analysis.analyses.saliency.options import MOST_DETECTIONS, ObjectTarget
from autola_analysis.core.errors import OptionError
from autola_analysis.core.objects import Objects
from autola_analysis.inference.candidates import Candidates, Choose, Chosen

OVERLAP = 0.5
"""Least IoU of an object and a candidate that stands for it"""
NO_CANDIDATE = -1
OVERLAPPING, FALLBACK, DETECTED, GIVEN = "overlapping", "fallback", "detection", "given"
"""How a candidate came to stand for an object, see `assignment`"""


def chooser(
    model: nn.Module,
    target: ObjectTarget,
    objects: Sequence[Objects] | None,
    threshold: float,
    most: int = MOST_DETECTIONS,
) -> Choose:
    """Return what chooses the candidates of a batch.

    Args:
        model: The detector.
        target: "detection": what suppression leaves with a probability above `threshold`, the strongest of them.
            "object": of every annotated object, the candidate with an IoU of at least 0.5 whose probability of the
            object's class is largest; the one with the largest IoU where none has so much. "given-box": the annotated
            box itself as the region that Faster R-CNN's head reads, whatever its proposals.
        objects: The objects of every image of the batch, in pixels of the image as the network gets it.
        threshold: Least probability of a detection.
        most: Detections of an image, at most.

    Raises:
        OptionError: If objects are missing or superfluous, or the detector cannot read a given box.
    """
    if target == "detection":
        if objects is not None:
            raise OptionError("the target 'detection' explains what is detected; leave the objects out.")
        return lambda _, candidates: _detections(candidates, threshold, most)
    choices: dict[str, Callable[[Candidates, Tensor, Tensor], Chosen]] = {"object": _objects, "given-box": _given}
    if target not in choices:
        raise OptionError(f"the target is one of detection, object, given-box; found {target!r}.")
    if objects is None:
        raise OptionError(f"the target {target!r} needs the objects of every image; give them, or explain detections.")
    if target == "given-box" and isinstance(model, SSD):
        raise OptionError("SSD reads its default boxes alone; the target 'given-box' is for Faster R-CNN.")
    given = list(objects)

    def choose(number: int, candidates: Candidates) -> Chosen:
        boxes = torch.from_numpy(given[number].boxes).to(candidates.boxes)
        labels = torch.from_numpy(given[number].labels + 1).to(candidates.labels)
        return choices[target](candidates, boxes, labels)

    return choose


def overlaps_of(candidates: Candidates, chosen: Chosen, objects: Objects) -> np.ndarray:
    """Return the IoU of every object and the box of its candidate ``(D,)``; 1 for a given box."""
    boxes = torch.from_numpy(objects.boxes).to(candidates.boxes)
    if bool((chosen.candidates == NO_CANDIDATE).all()):
        return np.ones(len(boxes))
    own = candidates.boxes[chosen.candidates, chosen.labels]
    return box_iou(boxes, own).diagonal().double().cpu().numpy() if len(boxes) else np.empty(0)


def assignment(candidate: int, overlap: float) -> str:
    """Return how a candidate came to stand for an object.

    Args:
        candidate: Its number.
        overlap: IoU of its box and the object; NaN for a detection, which is its own object.
    """
    if candidate == NO_CANDIDATE:
        return GIVEN
    if np.isnan(overlap):
        return DETECTED
    return OVERLAPPING if overlap >= OVERLAP else FALLBACK


def _detections(candidates: Candidates, threshold: float, most: int) -> Chosen:
    kept = torch.where(candidates.scores > threshold)[0][:most]
    return Chosen(candidates.detected[kept], candidates.labels[kept])


def _objects(candidates: Candidates, boxes: Tensor, labels: Tensor) -> Chosen:
    chosen = [_best(candidates, box, int(label)) for box, label in zip(boxes, labels, strict=True)]
    return Chosen(torch.tensor(chosen, dtype=torch.int64, device=boxes.device), labels)


def _best(candidates: Candidates, box: Tensor, label: int) -> int:
    overlap = box_iou(box[None], candidates.boxes[:, label])[0]
    near = torch.where(overlap >= OVERLAP)[0]
    if not len(near):
        return int(overlap.argmax())
    return int(near[candidates.probabilities[near, label].argmax()])


def _given(candidates: Candidates, boxes: Tensor, labels: Tensor) -> Chosen:
    return Chosen(torch.full_like(labels, NO_CANDIDATE), labels, boxes)
