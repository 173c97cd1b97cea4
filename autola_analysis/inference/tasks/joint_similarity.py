"""Object keypoint similarity (OKS): how alike the joints of two people are, as COCO has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.errors import DataError
from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import Detections, Floats


@dataclass(frozen=True)
class JointSimilarity:
    """The mean over a person's labelled joints of ``exp(-d^2 / (2 s^2 (2 sigma)^2))``, s the root of the area.

    A person without a labelled joint does not count. Such a one is hit by joints near its box: d is then the distance
    of a joint from the box made twice as large on every side.

    Attributes:
        sigmas: How precisely every joint can be placed, in shares of s.

    References:
        Lin et al., "Microsoft COCO", ECCV 2014; cocodataset.org, keypoint evaluation.
    """

    sigmas: tuple[float, ...]

    def __call__(self, found: Detections, own: NDArray[np.int64], wanted: Objects, truth: NDArray[np.int64]) -> Floats:
        """Return the OKS of some detections of an image and some of its people, ``(n, m)``.

        Raises:
            DataError: If one side has no joints, or their number is not that of the sigmas.
        """
        if found.joints is None or wanted.keypoints is None:
            raise DataError("OKS compares joints; give detections and objects that have some.")
        joints, people = found.joints[own], wanted.keypoints[truth]
        numbers = {joints.shape[1], people.shape[1], len(self.sigmas)}
        if len(numbers) > 1:
            raise DataError(
                f"detections have {joints.shape[1]} joints, people {people.shape[1]}, and there are "
                f"{len(self.sigmas)} sigmas; give as many of each."
            )
        labelled = np.asarray(people[..., 2] > 0)
        apart = joints[:, None] - people[None, ..., :2]
        unlabelled = np.asarray(~labelled.any(1))[:, None]
        apart = np.where(unlabelled[..., None], _beyond(joints, wanted.boxes[truth]), apart)
        scale = 2 * (wanted.areas[truth] + np.spacing(1))[:, None] * (2 * np.array(self.sigmas)) ** 2
        alike = np.exp(-(apart**2).sum(-1) / scale)
        counted = labelled | unlabelled
        return np.asarray((alike * counted).sum(-1) / counted.sum(1))

    def ignored(self, wanted: Objects) -> NDArray[np.bool_]:
        """Return the crowds, and the people without a labelled joint."""
        if wanted.keypoints is None:
            return np.ones(len(wanted), dtype=np.bool_)
        return wanted.crowd | ~(wanted.keypoints[..., 2] > 0).any(1)

    def areas(self, found: Detections) -> Floats:
        """Return the areas of the boxes around the joints."""
        assert found.joints is not None
        return np.asarray(np.ptp(found.joints, axis=1).prod(1))


def _beyond(joints: Floats, boxes: Floats) -> Floats:
    """Return by how much joints leave boxes that are widened by their own sides, ``(n, m, J, 2)``."""
    sides = boxes[:, 2:] - boxes[:, :2]
    low, high = (boxes[:, :2] - sides)[None, :, None], (boxes[:, 2:] + sides)[None, :, None]
    return np.clip(low - joints[:, None], 0, None) + np.clip(joints[:, None] - high, 0, None)
