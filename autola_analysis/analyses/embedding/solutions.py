"""Finished embeddings in a cache, each under a hash of its problem."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from autola_analysis.analyses.embedding import optimise as one_run
from autola_analysis.analyses.embedding.neighbours import content_hash
from autola_analysis.analyses.embedding.optimise import Problem, Solution
from autola_analysis.core.cache import cache_errors, cache_folder, ready_to_write
from autola_analysis.core.files import replacing, touch
from autola_analysis.data.source import hash_of


class SolutionCache:
    """Keeps each embedding as soon as it is finished, so that a run that is started again has it.

    Args:
        cache: The cache directory; None keeps nothing.
    """

    def __init__(self, cache: str | Path | None) -> None:
        self._folder = None if cache is None else cache_folder(cache, "embeddings")

    def get(self, problem: Problem) -> Solution | None:
        """Return the solution of a problem where it is kept."""
        if self._folder is None or not (path := self._folder / f"{problem_hash(problem)}.npz").exists():
            return None
        touch(path)
        with np.load(path) as arrays:
            return Solution(arrays["coords"], float(arrays["kl_divergence"]))

    def put(self, problem: Problem, solution: Solution) -> None:
        """Keep a solution.

        Raises:
            CacheError: If it cannot be written.
        """
        if self._folder is None:
            return
        with cache_errors(self._folder):
            ready_to_write(self._folder)
            with replacing(self._folder / f"{problem_hash(problem)}.npz") as path, path.open("wb") as file:
                np.savez(file, coords=solution.coords, kl_divergence=np.float64(solution.kl_divergence))


def problem_hash(problem: Problem) -> str:
    """Return a hash of all that a solution depends on; the number of threads is not part of it."""
    how = (one_run.THETA, one_run.EXAGGERATION, one_run.EARLY_ITERATIONS, one_run.ITERATIONS)
    arrays = [content_hash(array) for array in (problem.indices, problem.distances, problem.start)]
    options = [problem.perplexity, problem.method, problem.seed, *how, version("openTSNE")]
    if problem.method == one_run.ON_DEVICE:  # sums on a GPU end in other bits, which t-SNE amplifies
        options.append(problem.device.partition(":")[0])
    return hash_of("2", *arrays, *map(str, options))[:32]
