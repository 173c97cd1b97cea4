"""Finished embeddings in a cache, each under a hash of its problem."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

from autola_analysis.analyses.embedding import optimise as one_run
from autola_analysis.analyses.embedding.neighbours import content_hash
from autola_analysis.analyses.embedding.optimise import Problem, Solution
from autola_analysis.core.cache import cache_errors, cache_folder, may_write
from autola_analysis.core.code import numerical_code
from autola_analysis.core.entries import found_entry, new_entry, seal
from autola_analysis.data.source import hash_of

ARRAYS = "embedding.npz"


class SolutionCache:
    """Keeps each embedding as soon as it is finished, so that a run that is started again has it.

    Args:
        cache: The cache directory; None keeps nothing.
    """

    def __init__(self, cache: str | Path | None) -> None:
        self._folder = None if cache is None else cache_folder(cache, "embeddings")

    def get(self, problem: Problem) -> Solution | None:
        """Return the solution of a problem where it is kept."""
        if self._folder is None:
            return None
        name = problem_hash(problem)
        if found_entry(self._folder / name, "the embedding") != {"problem": name}:
            return None
        with np.load(self._folder / name / ARRAYS) as arrays:
            return Solution(arrays["coords"], float(arrays["kl_divergence"]))

    def put(self, problem: Problem, solution: Solution) -> None:
        """Keep a solution where the cache can be written.

        Raises:
            CacheError: If it cannot be written for another reason than that this is forbidden.
        """
        if self._folder is None or not may_write(self._folder):
            return
        name = problem_hash(problem)
        with cache_errors(self._folder), new_entry(self._folder / name) as path:
            with (path / ARRAYS).open("wb") as file:
                np.savez(file, coords=solution.coords, kl_divergence=np.float64(solution.kl_divergence))
            seal(path, {"problem": name})


def problem_hash(problem: Problem) -> str:
    """Return a hash of all that a solution depends on; the number of threads is not part of it."""
    how = (one_run.THETA, one_run.EXAGGERATION, one_run.EARLY_ITERATIONS, one_run.ITERATIONS)
    arrays = [content_hash(array) for array in (problem.indices, problem.distances, problem.start)]
    options = [problem.perplexity, problem.method, problem.seed, *how, version("openTSNE")]
    if problem.method == one_run.ON_DEVICE:  # sums on a GPU end in other bits, which t-SNE amplifies
        options.append(problem.device.partition(":")[0])
    return hash_of(json.dumps(numerical_code()), *arrays, *map(str, options))[:32]
