"""Finished embeddings in a cache: found again whatever made them, and never for another problem."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.embedding import embed as module
from autola_analysis.analyses.embedding import optimise as one_run
from autola_analysis.analyses.embedding.embed import embed_all
from autola_analysis.analyses.embedding.optimise import Problem, Solution
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.embedding.solutions import SolutionCache, problem_hash
from tests.analyses.embedding.points import blobs


@pytest.fixture(autouse=True)
def few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_run, "EARLY_ITERATIONS", 10)
    monkeypatch.setattr(one_run, "ITERATIONS", 10)


def embedded(cache: Path | None, first: int, seeds: int, processes: int = 1, threads: int = 1) -> list[Embedding]:
    options = EmbeddingOptions(perplexity=5, seed=first, seeds=seeds, processes=processes)
    return embed_all([blobs(40)], options, device="cpu", threads=threads, cache=cache, quiet=True)


def assert_same(found: list[Embedding], expected: list[Embedding]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.coords, other.coords)
        assert one.kl_divergence == other.kl_divergence
        assert one.params == other.params
        pd.testing.assert_frame_equal(one.quality, other.quality, check_exact=True)


def test_embeddings_that_were_finished_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = embedded(None, 0, 3)
    original, optimised = one_run.optimise, []

    def failing(problem: Problem, *arguments: object) -> Solution:
        optimised.append(problem.seed)
        if len(optimised) == 2:
            raise RuntimeError("killed on purpose")
        return original(problem, *arguments)

    monkeypatch.setattr(module, "optimise", failing)
    with pytest.raises(RuntimeError, match="killed on purpose"):
        embedded(tmp_path, 0, 3)
    assert_same(embedded(tmp_path, 0, 3), expected)
    assert optimised == [0, 1, 1, 2]
    (last,), (first,) = embedded(tmp_path, 2, 1, threads=2), embedded(tmp_path, 0, 1)
    np.testing.assert_array_equal(last.coords, expected[2].coords)
    np.testing.assert_array_equal(first.coords, expected[0].coords)
    assert optimised == [0, 1, 1, 2]


def test_what_several_processes_finish_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = embedded(tmp_path, 0, 2, processes=2)
    monkeypatch.setattr(module, "optimise", lambda *arguments: pytest.fail("optimised again"))
    assert_same(embedded(tmp_path, 0, 2), expected)


def test_another_problem_has_another_place(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(20, 2))
    indices = (np.arange(20)[:, None] + np.arange(1, 4)) % 20
    problem = Problem(indices, np.ones((20, 3)), points, 1.0, "barnes-hut", 0)
    others = [
        replace(problem, indices=indices[:, ::-1].copy()),
        replace(problem, distances=2 * problem.distances),
        replace(problem, start=points + 1e-12),
        replace(problem, perplexity=1.5),
        replace(problem, method="fft"),
        replace(problem, seed=1),
    ]
    assert len({problem_hash(each) for each in [problem, *others]}) == len(others) + 1
    cache = SolutionCache(tmp_path)
    cache.put(problem, Solution(points, 0.25))
    found = cache.get(replace(problem))
    assert found is not None
    np.testing.assert_array_equal(found.coords, points)
    assert found.kl_divergence == 0.25
    assert all(cache.get(other) is None for other in others)
    assert SolutionCache(None).get(problem) is None
