"""Exact neighbours: against scikit-learn and a naive computation, in blocks and far from the origin."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from autola_analysis.analyses.embedding import neighbours as module
from autola_analysis.analyses.embedding.neighbours import METRICS, Points, nearest_neighbours
from autola_analysis.core.errors import CacheError, OptionError


def rectified(n: int = 300, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.maximum(np.random.default_rng(seed).normal(size=(n, width)), 0).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 37)
    monkeypatch.setattr(module, "COLUMNS", 41)
    monkeypatch.setattr(module, "GATHERED", 5000)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_are_those_of_scikit_learns_brute_force(metric: str, dtype: type, small_blocks: None) -> None:
    values = rectified().astype(dtype)
    found = nearest_neighbours(values, 25, metric, device="cpu")
    brute = NearestNeighbors(n_neighbors=25, algorithm="brute", metric=metric).fit(values.astype(np.float64))
    distances, indices = brute.kneighbors()
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9, atol=1e-12)


def test_neighbours_far_from_the_origin_are_those_near_it(small_blocks: None) -> None:
    """Products of values that are not centred would drown the differences."""
    near = np.round(rectified(), 3).astype(np.float64)
    np.testing.assert_array_equal(
        nearest_neighbours(near + 1e7, 10, device="cpu").indices, nearest_neighbours(near, 10, device="cpu").indices
    )


def test_rounding_of_products_does_not_push_a_neighbour_out() -> None:
    """Two groups far apart: centring cannot help, and products lose what tells the points of a group apart."""
    offsets = np.random.default_rng(0).normal(size=(24, 2)) * 1e-3
    values = offsets + np.where(np.arange(24) % 2, 1e6, -1e6)[:, None]
    every = cdist(values, values)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(nearest_neighbours(values, 4, device="cpu").distances, np.sort(every, axis=1)[:, :4])


def test_blocks_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    values = rectified()
    whole = nearest_neighbours(values, 20, device="cpu")
    monkeypatch.setattr(module, "ROWS", 7)
    monkeypatch.setattr(module, "COLUMNS", 50)
    pieces = nearest_neighbours(values, 20, device="cpu")
    np.testing.assert_array_equal(whole.indices, pieces.indices)
    np.testing.assert_array_equal(whole.distances, pieces.distances)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 30), width=st.integers(1, 5), levels=st.integers(1, 4), seed=st.integers(0, 999), data=st.data()
)
def test_distances_are_the_smallest_also_among_ties_and_duplicates(
    n: int, width: int, levels: int, seed: int, data: st.DataObject
) -> None:
    values = np.random.default_rng(seed).integers(levels, size=(n, width)).astype(np.float32)
    k = data.draw(st.integers(1, n - 1))
    found = nearest_neighbours(values, k, device="cpu")
    every = cdist(values, values)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(found.distances, np.sort(every, axis=1)[:, :k], atol=1e-12)
    np.testing.assert_allclose(found.distances, np.take_along_axis(every, found.indices, 1), atol=1e-12)
    assert all(len(set(row)) == k for row in found.indices.tolist())
    assert (found.indices != np.arange(n)[:, None]).all()


def test_duplicates_are_at_distance_zero_and_zero_vectors_at_cosine_distance_one() -> None:
    values = np.repeat(rectified(10) + 100, 2, axis=0)
    assert (nearest_neighbours(values, 1, device="cpu").distances == 0).all()
    values[:2] = 0
    np.testing.assert_array_equal(nearest_neighbours(values, 3, "cosine", device="cpu").distances[:2], 1)


def test_all_distances_equal_a_direct_computation() -> None:
    values = rectified(50)
    rows = np.array([3, 17, 49])
    for metric in METRICS:
        points = Points(values, metric, torch.device("cpu"))
        expected = cdist(values[rows].astype(float), values.astype(float), metric)
        np.testing.assert_allclose(points.distances_to_all(rows).numpy(), expected, atol=1e-7)


def test_a_cache_holds_neighbours_under_the_contents_and_serves_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = rectified()
    found = nearest_neighbours(values, 30, device="cpu", cache=tmp_path)
    monkeypatch.setattr(module, "_search", lambda *arguments: pytest.fail("searched again"))
    again = nearest_neighbours(values.copy(), 10, device="cpu", cache=tmp_path)
    np.testing.assert_array_equal(again.indices, found.indices[:, :10])
    np.testing.assert_array_equal(again.distances, found.distances[:, :10])
    for others, k, metric in ((values + 1, 10, "euclidean"), (values, 31, "euclidean"), (values, 10, "cosine")):
        with pytest.raises(pytest.fail.Exception, match="searched again"):
            nearest_neighbours(others, k, metric, device="cpu", cache=tmp_path)


def test_neighbours_of_another_kind_of_device_are_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nearest_neighbours(rectified(), 10, device="cpu", cache=tmp_path)
    monkeypatch.setattr(module, "float64_device", lambda device: torch.device("cuda"))
    monkeypatch.setattr(module, "_search", lambda *arguments: pytest.fail("searched again"))
    with pytest.raises(pytest.fail.Exception, match="searched again"):  # its sums may end in other bits
        nearest_neighbours(rectified(), 10, device="cuda", cache=tmp_path)


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file in the way")
    with pytest.raises(
        CacheError, match=r"cannot write into the cache .*neighbours: Not a directory; give another --cache"
    ):
        nearest_neighbours(rectified(20), 3, device="cpu", cache=tmp_path / "file")


@pytest.mark.parametrize(
    ("k", "metric", "message"),
    [
        (0, "euclidean", "a point of 20 has 1 to 19 neighbours; 0 were asked for"),
        (20, "euclidean", "20 were asked for"),
        (3, "manhattan", "metric is one of euclidean, cosine; found 'manhattan'"),
    ],
)
def test_impossible_requests_are_refused(k: int, metric: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        nearest_neighbours(rectified(20), k, metric)
