"""The exact gradient beside openTSNE's and a naive one."""

import numpy as np
import openTSNE
import pytest
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from openTSNE.tsne import kl_divergence_bh
from scipy.sparse import csr_matrix

from autola_analysis import Features, embed_all
from autola_analysis.analyses.embedding import exact
from autola_analysis.analyses.embedding.exact import ExactGradient
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.optimise import Problem, divergence, optimise


def affinities(points: int, seed: int = 0) -> tuple[PerplexityBasedNN, np.ndarray]:
    random = np.random.default_rng(seed)
    found = nearest_neighbours(random.normal(size=(points, 5)), 15, device="cpu")
    return PerplexityBasedNN(knn_index=PrecomputedNeighbors(found.indices, found.distances), perplexity=5), (
        3 * random.normal(size=(points, 2))
    )


def naive(y: np.ndarray, joint: csr_matrix) -> tuple[float, np.ndarray]:
    """Return divergence and gradient point by point, from the formulas."""
    p, n = joint.toarray(), len(y)
    w = np.array([[0.0 if i == j else 1 / (1 + float(((y[i] - y[j]) ** 2).sum())) for j in range(n)] for i in range(n)])
    q = w / w.sum()
    gradient = np.zeros_like(y)
    for i in range(n):
        for j in range(n):
            gradient[i] += (p[i, j] - q[i, j]) * w[i, j] * (y[i] - y[j])
    linked = p > 0
    return float((p[linked] * np.log(p[linked] / q[linked])).sum()), gradient


@pytest.mark.parametrize("pairs", [2**18, 2**9, 1])
def test_divergence_and_gradient_are_the_naive_ones_in_blocks_of_any_size(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(exact.PAIRS, "cpu", pairs)
    joint, y = affinities(40)
    error, gradient = ExactGradient("cpu")(y, joint.P, should_eval_error=True)
    expected_error, expected = naive(y, joint.P)
    assert error == pytest.approx(expected_error, rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    assert error == pytest.approx(divergence(y, joint.P), rel=1e-12)
    assert ExactGradient("cpu")(y, joint.P)[0] == 0.0


def test_the_gradient_is_openTSNEs_without_approximation() -> None:
    joint, y = affinities(300)
    _, gradient = ExactGradient("cpu")(y, joint.P)
    _, expected = kl_divergence_bh(y, joint.P, dof=1, bh_params={"theta": 0.0})
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_exaggerated_affinities_are_taken_as_they_come() -> None:
    joint, y = affinities(40)
    gradient = ExactGradient("cpu")
    plain = gradient(y, joint.P)[1]
    joint.P *= 12
    np.testing.assert_allclose(gradient(y, joint.P)[1], naive(y, joint.P)[1], rtol=0, atol=1e-12)
    joint.P /= 12
    np.testing.assert_allclose(gradient(y, joint.P)[1], plain, rtol=0, atol=1e-15)


def test_a_run_is_openTSNEs_with_exact_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autola_analysis.analyses.embedding.optimise.EARLY_ITERATIONS", 10)
    monkeypatch.setattr("autola_analysis.analyses.embedding.optimise.ITERATIONS", 10)
    random = np.random.default_rng(1)
    found = nearest_neighbours(random.normal(size=(120, 4)), 15, device="cpu")
    start = random.normal(size=(120, 2))  # openTSNE's tree takes points that are closer than 1e-6 for one
    reported: list[int] = []
    solution = optimise(Problem(found.indices, found.distances, start, 5.0, "exact", 3), progress=reported.append)
    joint = PerplexityBasedNN(knn_index=PrecomputedNeighbors(found.indices, found.distances), perplexity=5)
    expected = openTSNE.TSNE(
        perplexity=5, negative_gradient_method="bh", theta=0.0, early_exaggeration=12, early_exaggeration_iter=10,
        n_iter=10, learning_rate="auto", random_state=3,
    ).fit(affinities=joint, initialization=start)  # fmt: skip
    np.testing.assert_allclose(solution.coords, np.asarray(expected), rtol=0, atol=1e-8 * np.abs(expected).max())


def test_embed_offers_it_here_and_in_processes() -> None:
    random = np.random.default_rng(2)
    features = Features(random.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3)
    once, twice = (
        embed_all([features], method="exact", perplexity=5, seeds=2, processes=count, device="cpu", quiet=True)
        for count in (1, 2)
    )
    for one, other in zip(once, twice, strict=True):
        assert (one.params["method"], one.params["theta"]) == ("exact", 0.0)
        np.testing.assert_array_equal(one.coords, other.coords)
