"""Detection: a network puts out boxes with a class and a score for every image, as torchvision's detectors do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.ssd import SSD

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.outputs import Output, Score, describe
from autola_analysis.inference.tasks.average_precision import Detections
from autola_analysis.inference.tasks.without_accuracy import WithoutAccuracy

KINDS = (GeneralizedRCNN, SSD, RetinaNet, FCOS)
PARTS = ("boxes", "labels", "scores")
SAME_PIXELS, SAME_SCORE = 0.05, 1e-4
"""Differences of detections that rounding explains"""


def is_detector(model: nn.Module) -> bool:
    """Return whether a network puts out detections: one of this package, or another of torchvision's kinds."""
    return isinstance(model, KINDS)


def number_of_classes(model: nn.Module) -> int | None:
    """Return how many classes a detector tells apart, without the background; None where its kind does not show it."""
    if isinstance(model, GeneralizedRCNN):
        outputs = getattr(getattr(model.roi_heads.box_predictor, "cls_score", None), "out_features", None)
    else:
        head = getattr(getattr(model, "head", None), "classification_head", None)
        outputs = getattr(head, "num_columns", getattr(head, "num_classes", None))
    return None if outputs is None else int(outputs) - 1


def input_of(model: nn.Module) -> Preprocessing:
    """Return what is done to the images of a detector, which standardises them itself.

    One that works on squares gets images that are stretched to them, with the filter of the reference code; all others
    get images as they are stored, and bring them to size themselves.
    """
    sides = getattr(getattr(model, "transform", None), "fixed_size", None)
    return Preprocessing(stretch=int(sides[0])) if sides is not None and sides[0] == sides[1] else Preprocessing()


@dataclass(frozen=True)
class Detection(WithoutAccuracy):
    """Any number of objects per image: outputs are a dict of ``boxes``, ``labels`` and ``scores`` per image.

    Boxes are x1, y1, x2, y2 in pixels of the image as the network got it; labels count from 1. Targets are an array of
    `Objects`. Observers get a list of `Detections` whose boxes are in shares of the image's width and height and whose
    labels count from 0.
    """

    name: str = "detection"
    read_as: Any = None

    def check(self, output: Output, images: int) -> None:
        """Check that an output is a dict with the parts of detections for every image.

        Raises:
            DataError: If it is not.
        """
        fits = isinstance(output, list) and len(output) == images
        if not fits or not all(isinstance(each, Mapping) and set(PARTS) <= each.keys() for each in output):
            raise DataError(
                f"a detector must put out a dict with {', '.join(PARTS)} for every image; found {describe(output)}."
            )

    def finite(self, output: Output) -> Tensor:
        """Return per image whether all boxes and scores are finite, ``(B,)`` bool."""
        return torch.tensor(
            [bool(each["boxes"].isfinite().all() and each["scores"].isfinite().all()) for each in output],
            dtype=torch.bool,
        )

    def same(self, expected: Output, found: Output) -> bool:
        """Return whether a faster copy of a detector finds the same, up to rounding."""
        return len(expected) == len(found) and all(map(_alike, expected, found))

    def depends_on_batch(self, alone: Output, together: Output) -> bool:
        """Return whether other objects are found in an image alone than in the same image, the first of a batch."""
        return not _alike(alone[0], together[0])

    def score(self, targets: Any = None) -> Score:
        """Refuse: what is explained of a detector is the score of a candidate, before detections are made.

        Raises:
            OptionError: Always.
        """
        raise OptionError("detections hold no gradient; explain the score of a candidate instead.")


def detections_of(output: Output, sides: Sequence[int]) -> list[Detections]:
    """Return the detections of every image, boxes in shares of its width and height, labels from 0 on.

    Args:
        output: Of a detector.
        sides: Height and width of the images as the network got them.
    """
    height, width = sides
    scale = np.array([width, height, width, height], dtype=np.float64)
    return [
        Detections(
            each["boxes"].double().cpu().numpy() / scale,
            each["labels"].cpu().numpy().astype(np.int64) - 1,
            each["scores"].double().cpu().numpy(),
        )
        for each in output
    ]


def _alike(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> bool:
    """Return whether the detections of one image are the same, in the same order."""
    if not torch.equal(expected["labels"], found["labels"]):
        return False
    boxes, scores = ((expected[part] - found[part]).abs() for part in ("boxes", "scores"))
    return bool((boxes <= SAME_PIXELS).all() and (scores <= SAME_SCORE).all())
