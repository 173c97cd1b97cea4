"""Of people who were found twice, keep the better: suppression by the likeness of their joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.joint_reading import MOST_PEOPLE, SAME_PERSON

Floats = NDArray[np.float64]
SURE = 0.2
"""Least score of a joint that tells how sure a person is"""


def person_scores(joint_scores: Floats, box_scores: Floats | float = 1.0) -> Floats:
    """Return how sure people are, ``(n,)``: the score of the box times the mean score of the joints above 0.2.

    Args:
        joint_scores: Maxima of the heat maps, ``(n, J)``.
        box_scores: ``(n,)``; annotated boxes have 1.
    """
    sure = joint_scores > SURE
    return np.asarray(box_scores * (joint_scores * sure).sum(1) / np.maximum(sure.sum(1), 1))


def suppress_people(
    joints: Floats, scores: Floats, areas: Floats, sigmas: Sequence[float], overlap: float = SAME_PERSON
) -> NDArray[np.int64]:
    """Return the numbers of the people of an image who are kept, the surest first.

    A person goes whose OKS with a surer one, by the mean of both areas, is above `overlap`.

    Args:
        joints: x and y, ``(n, J, 2)``.
        scores: ``(n,)``.
        areas: In pixels, ``(n,)``.
        sigmas: How precisely every joint can be placed, in shares of the root of the area.
        overlap: The limit.

    References:
        Xiao, Wu and Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, and their code.
    """
    alike = _likeness(joints, areas, sigmas)
    kept: list[int] = []
    for number in np.argsort(-scores, kind="stable").tolist():
        if not (alike[number, kept] > overlap).any():
            kept.append(number)
    return np.array(kept, dtype=np.int64)


def suppress_softly(
    joints: Floats,
    scores: Floats,
    areas: Floats,
    sigmas: Sequence[float],
    width: float = SAME_PERSON,
    most: int = MOST_PEOPLE,
) -> tuple[NDArray[np.int64], Floats]:
    """Return the numbers of the people of an image who are kept, the surest first, and how sure they are then.

    The surest is taken again and again, and the scores of all others are multiplied by ``exp(-OKS^2 / width)``.

    Args:
        joints: x and y, ``(n, J, 2)``.
        scores: ``(n,)``.
        areas: In pixels, ``(n,)``.
        sigmas: How precisely every joint can be placed, in shares of the root of the area.
        width: Of the Gaussian.
        most: People who are kept.

    References:
        Bodla et al., "Soft-NMS", ICCV 2017; with OKS as in mmpose's code, which keeps the scores of before.
    """
    decay = np.exp(-(_likeness(joints, areas, sigmas) ** 2) / width)
    left, current = np.arange(len(scores)), scores.astype(np.float64)
    kept: list[int] = []
    while len(left) and len(kept) < most:
        surest = left[np.argmax(current[left])]
        kept.append(int(surest))
        left = left[left != surest]
        current[left] *= decay[surest, left]
    return np.array(kept, dtype=np.int64), current[kept]


def _likeness(joints: Floats, areas: Floats, sigmas: Sequence[float]) -> Floats:
    """Return the OKS of all people with all by the mean of both areas, ``(n, n)``."""
    squares = ((joints[:, None] - joints[None]) ** 2).sum(-1)
    mean = (areas[:, None] + areas[None]) / 2 + np.spacing(1)
    return np.asarray(np.exp(-squares / (2 * mean[..., None] * (2 * np.asarray(sigmas)) ** 2)).mean(-1))
