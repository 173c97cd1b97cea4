"""Votes of the nearest neighbours: which images they get right, and how each image bears on the accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
ROWS = 64  # images whose votes are counted at once
HALVES = 200  # random halves of the images


@dataclass(frozen=True)
class NeighbourAccuracy:
    """Leave-one-out accuracy of the k nearest neighbours.

    Attributes:
        correct: Whether the neighbours of an image get it right, ``(N,)``.
        influence: The accuracy plus the influence of each image on it, ``(N,)``; their mean is the accuracy.
    """

    correct: BoolArray
    influence: FloatArray


def candidates(k: int) -> int:
    """Return how many nearest neighbours hold the k nearest in a random half of the images, but in 1 of 1,000 cases.

    Where they do not, fewer vote.
    """
    return 2 * k + 20


def knn_accuracies(
    near: IntArray, labels: IntArray, counts: Sequence[int], seed: int = 0
) -> Mapping[int, NeighbourAccuracy]:
    """Return the accuracy of the k nearest neighbours for several k, from one search.

    Among classes with equally many votes the one with the smallest label wins, as in scikit-learn.

    An image counts in the accuracy twice: it is right or wrong, and it votes for others. A bootstrap of right and wrong
    sees the first alone. What an image does as a voter is a jump: without it another class wins, or none does. The
    plain jackknife, which leaves out one image at a time, takes every jump at its full size, and its standard errors
    come out twice too large. So jumps are averaged first: over random halves S of the images, i is decided by its k
    nearest others in S, which gives the share p_i of halves in which it is right. The infinitesimal jackknife of an
    average over random samples is a covariance::

        I_j = p_j - mean(p) + 1/2 sum over i of (share right with j in S - share right with j not in S)

    where 1/2 is the share of images that a half holds. Influence values are the accuracy plus I_j, moved so that their
    mean is the accuracy. `benchmarks/COVERAGE.md` says how often the intervals hold the truth.

    Args:
        near: The nearest others of every image, nearest first, ``(N, K)``; `candidates` of the largest k, or all.
        labels: ``(N,)``, from 0 on.
        counts: The k, not above K.
        seed: Of the halves.

    References:
        Efron, "Estimation and accuracy after model selection", JASA 2014. Wager, Hastie and Efron, "Confidence
        intervals for random forests: the jackknife and the infinitesimal jackknife", JMLR 2014.
    """
    generator = np.random.default_rng([seed, 6])
    correct = {k: np.empty(len(labels), dtype=bool) for k in counts}
    share = {k: np.empty(len(labels)) for k in counts}
    help_given = {k: np.zeros(len(labels)) for k in counts}
    for rows in _blocks(len(labels)):
        own, voters = ranks(labels[rows], labels[near[rows]])
        halves = random_halves(generator, len(own), near.shape[1])
        place = halves.cumsum(axis=2, dtype=np.int32)
        for k in counts:
            reach = slice(0, candidates(k))
            everyone = np.ones((len(own), 1, k), dtype=bool)
            correct[k][rows] = decided(everyone, voters[:, :k], own)[:, 0]
            within = halves[..., reach]
            right = decided(within & (place[..., reach] <= k), voters[:, reach], own).astype(np.float32)
            share[k][rows] = right.mean(axis=1)
            right_with = (right[:, None] @ within.astype(np.float32))[:, 0]
            gain = (2 * right_with - right.sum(axis=1, keepdims=True)) / (HALVES / 2)
            help_given[k] += np.bincount(near[rows, reach].ravel(), 0.5 * gain.ravel(), len(labels))
    return {k: NeighbourAccuracy(correct[k], _moved(share[k] + help_given[k], correct[k])) for k in counts}


def decided(voting: BoolArray, voters: IntArray, own: IntArray) -> BoolArray:
    """Return whether the majority of those who vote has the class of the image.

    Args:
        voting: Who votes, ``(B, S, K)``, in several samples S.
        voters: Classes of the neighbours, ``(B, K)``.
        own: Class of the image, ``(B,)``.

    Returns:
        ``(B, S)``.
    """
    one_hot = (voters[..., None] == np.arange(max(voters.max(), own.max()) + 1)).astype(np.float32)
    votes = voting.astype(np.float32) @ one_hot
    winners: BoolArray = votes.argmax(axis=2) == own[:, None]
    return winners


def ranks(own: IntArray, voters: IntArray) -> tuple[IntArray, IntArray]:
    """Return classes as ranks among those that an image and its neighbours have, so that there are few of them."""
    together = np.concatenate([own[:, None], voters], axis=1)
    order = together.argsort(axis=1)
    ordered = np.take_along_axis(together, order, axis=1)
    rank = np.concatenate([np.zeros_like(own)[:, None], (ordered[:, 1:] != ordered[:, :-1]).cumsum(axis=1)], axis=1)
    result = np.empty_like(together)
    np.put_along_axis(result, order, rank, axis=1)
    return result[:, 0], result[:, 1:]


def random_halves(generator: np.random.Generator, images: int, candidates: int) -> BoolArray:
    """Return which candidates are in each half, ``(B, HALVES, K)``; the second hundred are what the first left out."""
    first = generator.random((images, HALVES // 2, candidates), dtype=np.float32) < 0.5
    return np.concatenate([first, ~first], axis=1)


def _moved(values: FloatArray, correct: BoolArray) -> FloatArray:
    """Return values with the accuracy as their mean."""
    moved: FloatArray = values - values.mean() + correct.mean()
    return moved


def _blocks(images: int) -> Iterator[slice]:
    for start in range(0, images, ROWS):
        yield slice(start, start + ROWS)
