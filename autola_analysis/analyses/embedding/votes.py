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
HALVES = 400  # random halves of the images


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
    """Return how many nearest neighbours hold the k / 2 nearest in a random half of the images, in 99 of 100 cases.

    Where they do not, fewer vote.
    """
    return k + 20


def knn_accuracies(
    near: IntArray, labels: IntArray, counts: Sequence[int], seed: int = 0
) -> Mapping[int, NeighbourAccuracy]:
    """Return the accuracy of the k nearest neighbours for several k, from one search.

    Among classes with equally many votes the one with the smallest label wins, as in scikit-learn.

    An image counts in the accuracy twice: it is right or wrong, and it votes for others. A bootstrap of right and wrong
    sees the first alone. What an image does as a voter is a jump: without it another class wins, or none does. The
    plain jackknife, which leaves out one image at a time, takes every jump at its full size, and its standard errors
    come out twice too large. So jumps are averaged first: in random halves of the images, i is decided by its k / 2
    nearest others there, which are its neighbourhood thinned. With c_i whether i is right, p_i the share of halves in
    which it is, and g_ij the share of those with j in which it is minus the share of those without, the influence of
    an image is what it is itself, and what it does to others (the infinitesimal jackknife of an average over halves)::

        I_i = p_i + sqrt(1 - R_i^2) (c_i - p_i) + 1/2 sum over l of g_li - their mean over all images

    R_i^2 is the share of the variance ``p_i (1 - p_i)`` that single voters explain, ``1/4 sum over j of g_ij^2`` less
    what so many random halves leave in it by chance: what voters do to i is in their influence already. Influence
    values are the accuracy plus I_i. `benchmarks/COVERAGE.md` says how often their intervals hold the truth.

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
    influence = {k: np.zeros(len(labels)) for k in counts}
    for rows in _blocks(len(labels)):
        own, voters = ranks(labels[rows], labels[near[rows]])
        halves = random_halves(generator, len(own), near.shape[1])
        place = halves.cumsum(axis=2, dtype=np.int32)
        for k in counts:
            reach = slice(0, candidates(k))
            everyone = np.ones((len(own), 1, k), dtype=bool)
            correct[k][rows] = decided(everyone, voters[:, :k], own)[:, 0]
            within = halves[..., reach]
            right = decided(within & (place[..., reach] <= (k + 1) // 2), voters[:, reach], own)
            itself, gain = _influences(right.astype(np.float32), within, correct[k][rows])
            influence[k][rows] += itself
            influence[k] += np.bincount(near[rows, reach].ravel(), 0.5 * gain.ravel(), len(labels))
    return {k: NeighbourAccuracy(correct[k], _moved(influence[k], correct[k])) for k in counts}


def _influences(
    right: NDArray[np.float32], halves: BoolArray, correct: BoolArray
) -> tuple[FloatArray, NDArray[np.float32]]:
    """Return the influence of images through themselves ``(B,)``, and what each candidate does to them ``(B, K)``.

    Args:
        right: Whether the images are right in every half, ``(B, S)``.
        halves: Which candidates are in it, ``(B, S, K)``.
        correct: Whether the images are right, ``(B,)``.
    """
    pairs = right.shape[1] // 2
    with_candidate = (right[:, None] @ halves.astype(np.float32))[:, 0]
    gain = (2 * with_candidate - right.sum(axis=1, keepdims=True)) / pairs
    share = right.mean(axis=1, dtype=np.float64)
    variance = share * (1 - share)
    # A half and what it leaves out are one draw: the gain is a mean over the pairs of their differences.
    by_chance = np.square(right[:, :pairs] - right[:, pairs:]).mean(axis=1) / pairs
    explained = (np.square(gain) - by_chance[:, None]).sum(axis=1) / 4
    left = 1 - np.clip(np.divide(explained, variance, out=np.zeros_like(variance), where=variance > 0), 0, 1)
    return share + np.sqrt(left) * (correct - share), gain


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
    """Return which candidates are in each half, ``(B, S, K)``; the last S / 2 halves are what the first left out."""
    first = generator.random((images, HALVES // 2, candidates), dtype=np.float32) < 0.5
    return np.concatenate([first, ~first], axis=1)


def _moved(values: FloatArray, correct: BoolArray) -> FloatArray:
    """Return values with the accuracy as their mean."""
    moved: FloatArray = values - values.mean() + correct.mean()
    return moved


def _blocks(images: int) -> Iterator[slice]:
    for start in range(0, images, ROWS):
        yield slice(start, start + ROWS)
