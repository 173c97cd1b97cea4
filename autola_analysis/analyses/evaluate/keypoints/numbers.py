"""The numbers of one network for joints, and the same over images drawn again: what intervals are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.keypoints.people import People
from autola_analysis.core.objects import Objects
from autola_analysis.core.progress import progress_bar
from autola_analysis.inference.tasks.coco_metrics import KEYPOINT_METRICS, CocoMatches
from autola_analysis.statistics.resampled import Resampled, image_weights

FloatArray = NDArray[np.float64]
HALF, STRICT = 0.5, 0.9
"""OKS of a single joint from which it is found, and from which it is found precisely"""


@dataclass(frozen=True)
class KeypointNumbers:
    """Average precision and recall of people, and how near their joints are; NaN without people or joints.

    Attributes:
        metrics: In the order of `KEYPOINT_METRICS`, ``(M,)``.
        metrics_drawn: `metrics` over images drawn again, ``(R, M)``.
        labelled: Labelled joints of every image, the last column all together, ``(N, J + 1)``.
        within: Of these, joints whose own OKS is at least one half, ``(N, J + 1)``.
        strictly: Of these, joints whose own OKS is at least 0.9, ``(N, J + 1)``.
        errors: Sum of the distances of the labelled joints in pixels of the stored image, ``(N, J + 1)``.
        joints_drawn: Share within, share strictly within and mean error of every joint over images drawn again,
            ``(3, R, J + 1)``.
    """

    metrics: FloatArray
    metrics_drawn: FloatArray
    labelled: FloatArray
    within: FloatArray
    strictly: FloatArray
    errors: FloatArray
    joints_drawn: FloatArray

    @classmethod
    def of(
        cls,
        matches: CocoMatches,
        found: People,
        people: Sequence[Objects],
        sigmas: Sequence[float],
        seed: int,
        quiet: bool = True,
    ) -> Self:
        """Compute all numbers.

        Args:
            matches: Of all images.
            found: The people.
            people: Those annotated in every image.
            sigmas: How precisely every joint can be placed.
            seed: Of the draws.
            quiet: Whether to show no progress.
        """
        sums = joint_sums(found, people, sigmas)
        weights, drawn = image_weights(len(people), seed).astype(float), []
        with progress_bar(len(weights), "images drawn again", unit="draws", quiet=quiet) as bar:
            for row in weights:
                drawn.append(_metrics(matches, row))
                bar.update()
        shares = np.stack([_ratio(weights @ each, weights @ sums[0]) for each in sums[1:]])
        return cls(_metrics(matches), np.stack(drawn), *sums, shares)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.labelled)


def joint_sums(
    found: People, people: Sequence[Objects], sigmas: Sequence[float]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return, of every image and joint, how many are labelled, found, found precisely, and the sum of their distances.

    Everybody counts with the joints that were found in his own crop. A last column adds the joints up.

    Args:
        found: The people.
        people: Those annotated in every image.
        sigmas: How precisely every joint can be placed.
    """
    sums = np.zeros((4, len(people), len(sigmas)))
    for image, number, joints in zip(found.images, found.objects, found.joints, strict=True):
        truth, area = people[image].keypoints, people[image].areas[number]
        assert truth is not None
        labelled = truth[number, :, 2] > 0
        squares = ((joints - truth[number, :, :2]) ** 2).sum(-1)
        similar = np.exp(-squares / (2 * area * (2 * np.asarray(sigmas)) ** 2))
        sums[:, image] += (
            labelled, labelled & (similar >= HALF), labelled & (similar >= STRICT), labelled * np.sqrt(squares),
        )  # fmt: skip
    labelled, within, strictly, errors = np.concatenate([sums, sums.sum(2, keepdims=True)], 2)
    return labelled, within, strictly, errors


def within_of(runs: Sequence[KeypointNumbers], joint: int) -> Resampled:
    """Return the share of a joint that is found, of some runs; -1 stands for all joints together."""
    return _of_joint(runs, "within", 0, joint)


def strictly_of(runs: Sequence[KeypointNumbers], joint: int) -> Resampled:
    """Return the share of a joint that is found precisely, of some runs; -1 stands for all joints together."""
    return _of_joint(runs, "strictly", 1, joint)


def error_of(runs: Sequence[KeypointNumbers], joint: int) -> Resampled:
    """Return the mean error of a joint in pixels, of some runs; -1 stands for all joints together."""
    return _of_joint(runs, "errors", 2, joint)


def _of_joint(runs: Sequence[KeypointNumbers], sums: str, place: int, joint: int) -> Resampled:
    values = [_ratio(getattr(each, sums).sum(0), each.labelled.sum(0))[joint] for each in runs]
    return Resampled(np.array(values), np.stack([each.joints_drawn[place, :, joint] for each in runs]), runs[0].images)


def _metrics(matches: CocoMatches, weights: FloatArray | None = None) -> FloatArray:
    found = matches.summary(weights).metrics
    return np.array([found[name] for name in KEYPOINT_METRICS])


def _ratio(values: FloatArray, counts: FloatArray) -> FloatArray:
    return np.divide(values, counts, out=np.full(values.shape, np.nan), where=counts > 0)
