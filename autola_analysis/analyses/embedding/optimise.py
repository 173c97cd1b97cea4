"""One run of t-SNE through openTSNE: neighbours and a start in, positions and their divergence out.

This module imports no torch, so that a process that only optimises starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openTSNE import TSNE
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from openTSNE.tsne import kl_divergence_bh
from scipy.sparse import csr_matrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

THETA = 0.5
EXAGGERATION = 12
EARLY_ITERATIONS = 250
ITERATIONS = 500
REPORT_EVERY = 25  # iterations
EXACT = 20_000
"""Points whose divergence is summed over all pairs; Barnes-Hut sums, about 1% low, take over beyond."""
PAIRS = 2**17  # held at once: they stay in the processor's cache

GRADIENTS = {"barnes-hut": "bh", "fft": "fft"}
"""Our names of the methods -> openTSNE's names of the negative gradient. Its "auto" would change at 10,000 points."""
ON_DEVICE = "exact"
"""The method whose gradient is our own, on the device of the problem."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything a run depends on.

    Attributes:
        indices: Nearest neighbours of every point, ``(N, k)``.
        distances: Their distances, ``(N, k)``.
        start: Initial positions, ``(N, 2)``.
        perplexity: Not above k.
        method: Key of `GRADIENTS`, or `ON_DEVICE`.
        seed: Of openTSNE's own random numbers.
        device: Where the method `ON_DEVICE` computes.
    """

    indices: IntArray
    distances: FloatArray
    start: FloatArray
    perplexity: float
    method: str
    seed: int
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Solution:
    """What a run gives.

    Attributes:
        coords: Positions, ``(N, 2)``.
        kl_divergence: Of the positions, whatever the method; see `divergence`.
    """

    coords: FloatArray
    kl_divergence: float


def optimise(problem: Problem, threads: int = 1, progress: Callable[[int], None] | None = None) -> Solution:
    """Run t-SNE; the positions do not depend on the number of threads.

    openTSNE exaggerates the affinities in place and divides again, which changes their last bits, so that every run
    makes its own. The divergence that it reports sums over threads in changing order and is computed again in one.

    Args:
        problem: What to embed.
        threads: Threads of the optimisation.
        progress: Called with a number of further iterations done.
    """
    affinities = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(problem.indices, problem.distances),
        perplexity=problem.perplexity,
        n_jobs=threads,
    )
    joint: csr_matrix = affinities.P.copy()

    def report(iteration: int, error: float, embedding: FloatArray) -> None:
        if progress is not None:
            progress(REPORT_EVERY)

    tsne = TSNE(
        perplexity=problem.perplexity,
        negative_gradient_method=_gradient_of(problem),
        theta=THETA,
        early_exaggeration=EXAGGERATION,
        early_exaggeration_iter=EARLY_ITERATIONS,
        n_iter=ITERATIONS,
        learning_rate="auto",
        random_state=problem.seed,
        n_jobs=threads,
        callbacks=report if progress is not None else None,
        callbacks_every_iters=REPORT_EVERY,
    )
    embedding = tsne.fit(affinities=affinities, initialization=problem.start)
    coords = np.array(embedding, dtype=np.float64)
    return Solution(coords, divergence(coords, joint))


def _gradient_of(problem: Problem) -> Any:
    """Return openTSNE's name of a gradient, or an objective for it."""
    if problem.method != ON_DEVICE:
        return GRADIENTS[problem.method]
    from autola_analysis.analyses.embedding.exact import ExactGradient  # it imports torch

    return ExactGradient(problem.device)


def divergence(coords: FloatArray, joint: csr_matrix) -> float:
    """Return the Kullback-Leibler divergence of positions from affinities: over all pairs up to 20,000 points.

    With p the affinities, which are zero beyond the neighbours, and ``w_ij = 1 / (1 + |y_i - y_j|^2)`` it is
    ``sum p_ij log(p_ij / w_ij) + sum p_ij * log(sum over all i != j of w_ij)``. Beyond 20,000 points the last sum is
    Barnes-Hut's, in one thread.
    """
    if len(coords) > EXACT:
        value, _ = kl_divergence_bh(
            np.ascontiguousarray(coords), joint, dof=1, bh_params={"theta": THETA}, should_eval_error=True, n_jobs=1
        )
        return float(value)
    sparse = joint.tocoo()
    p, i, j = (values[sparse.data > 0] for values in (sparse.data, sparse.row, sparse.col))
    distances = ((coords[i] - coords[j]) ** 2).sum(axis=1)
    return float((p * np.log(p * (1 + distances))).sum() + p.sum() * np.log(_normalisation(coords)))


def _normalisation(coords: FloatArray) -> float:
    """Return the sum of ``1 / (1 + squared distance)`` over all ordered pairs of two points, in blocks."""
    x, y = np.ascontiguousarray(coords.T)
    step = max(1, PAIRS // len(coords))
    total = 0.0
    for start in range(0, len(coords), step):
        part = slice(start, start + step)
        kernel = np.square(x[part, None] - x)
        kernel += np.square(y[part, None] - y)
        kernel += 1
        total += float(np.reciprocal(kernel, out=kernel).sum())
    return total - len(coords)  # a point and itself: 1 each
