"""Every metric against scikit-learn or the formula written out; blocks, ties and small sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_samples as silhouette_of_sklearn
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from autola_analysis.analyses.embedding import quality as module
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.quality import (
    feature_metrics,
    knn_correct,
    neighbour_count,
    plane_metrics,
    quality_table,
    recall_samples,
    silhouette_samples,
    trustworthiness_samples,
)
from tests.analyses.embedding.points import blobs


def noisy_plane(n: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features = blobs(n)
    coords = features.values[:, :2] + np.random.default_rng(1).normal(size=(n, 2))
    return features.values, coords.astype(np.float64), features.labels


def near(values: np.ndarray, k: int = 10) -> np.ndarray:
    return nearest_neighbours(values, k, device="cpu").indices


@pytest.mark.parametrize("distances_held", [2**23, 70])
def test_knn_accuracy_is_scikit_learns_leave_one_out(distances_held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DISTANCES", distances_held)
    values, coords, labels = noisy_plane()
    for points in (values.astype(np.float64), coords):
        classifier = KNeighborsClassifier(10, algorithm="brute")
        predicted = cross_val_predict(classifier, points, labels, cv=LeaveOneOut())
        np.testing.assert_array_equal(knn_correct(near(points), labels), predicted == labels)


def test_among_equally_many_votes_the_smallest_label_wins() -> None:
    neighbours = np.array([[1, 2], [0, 3], [0, 3], [2, 0]])  # one vote for each class, four times
    np.testing.assert_array_equal(knn_correct(neighbours, np.array([0, 0, 1, 1])), [True, True, False, False])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_silhouettes_are_scikit_learns(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values, _, labels = noisy_plane(150)
    labels = labels.copy()
    labels[7] = 5  # the only image of its class, and no image of class 3 and 4
    monkeypatch.setattr(module, "DISTANCES", 100)  # blocks of 64
    found = silhouette_samples(values, labels, metric=metric, device="cpu")
    expected = silhouette_of_sklearn(values.astype(np.float64), labels, metric=metric)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    rows = np.array([5, 7, 100])
    np.testing.assert_allclose(silhouette_samples(values, labels, rows, metric, "cpu"), expected[rows], atol=1e-6)


def test_a_single_class_has_no_silhouette() -> None:
    assert np.isnan(silhouette_samples(blobs().values, np.zeros(60, dtype=np.int64), device="cpu")).all()


def test_images_at_one_place_have_silhouette_zero() -> None:
    np.testing.assert_array_equal(silhouette_samples(np.ones((6, 2)), np.arange(6) % 2, device="cpu"), 0)


@pytest.mark.parametrize("k", [3, 10])
def test_trustworthiness_is_scikit_learns(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values, coords, _ = noisy_plane(150)
    monkeypatch.setattr(module, "DISTANCES", 100)
    shares = trustworthiness_samples(values, near(coords, k), device="cpu")
    assert shares.mean() == pytest.approx(trustworthiness(values.astype(np.float64), coords, n_neighbors=k), abs=1e-12)
    rows = np.array([0, 3, 149])
    np.testing.assert_allclose(trustworthiness_samples(values, near(coords, k), rows, device="cpu"), shares[rows])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(9, 25), seed=st.integers(0, 999), levels=st.integers(2, 5))
def test_equally_distant_images_share_the_best_rank(n: int, seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.integers(levels, size=(n, 3)).astype(np.float64)
    k = 4
    chosen = near(generator.normal(size=(n, 2)), k)
    distances = np.round(cdist(values, values, "sqeuclidean"))
    penalty = 0
    for i in range(n):
        for j in chosen[i]:
            closer = sum(distances[i, other] < distances[i, j] for other in range(n) if other != i)
            penalty += max(0, closer + 1 - k)
    expected = 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * penalty
    assert trustworthiness_samples(values, chosen, device="cpu").mean() == pytest.approx(expected, abs=1e-12)


def test_a_plane_that_is_the_feature_space_keeps_everything() -> None:
    _, coords, labels = noisy_plane()
    neighbours = nearest_neighbours(coords, 10, device="cpu")
    metrics = plane_metrics(coords, 0.5, coords, labels, neighbours, neighbours, "cpu")
    values = {metric.name: metric.value for metric in metrics}
    assert values["trustworthiness"] == values["knn_recall"] == 1
    assert values["kl_divergence"] == 0.5


@settings(max_examples=30, deadline=None)
@given(n=st.integers(5, 30), seed=st.integers(0, 999))
def test_recall_is_the_share_of_common_neighbours(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = (near(generator.normal(size=(n, 2)), 4) for _ in range(2))
    expected = [len(set(x) & set(y)) / 4 for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_array_equal(recall_samples(a, b), expected)


def test_large_sets_are_rated_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    features = blobs(300)
    neighbours = nearest_neighbours(features.values, 10, device="cpu")
    whole = feature_metrics(features.values, features.labels, neighbours, "cpu")[1]
    monkeypatch.setattr(module, "SAMPLE", 100)
    sample = feature_metrics(features.values, features.labels, neighbours, "cpu")[1]
    assert sample.value != whole.value
    assert sample.interval[0] < whole.value < sample.interval[1]
    assert np.ptp(sample.interval) > np.ptp(whole.interval)
    drawn = ~np.isnan(sample.samples)
    assert drawn.sum() == 100
    np.testing.assert_allclose(sample.samples[drawn], whole.samples[drawn], atol=1e-12)


def test_the_table_has_a_seed_for_the_plane_alone() -> None:
    values, coords, labels = noisy_plane()
    neighbours, plane = (nearest_neighbours(points, 10, device="cpu") for points in (values, coords))
    metrics = feature_metrics(values, labels, neighbours, "cpu")
    metrics += plane_metrics(coords, 0.1, values, labels, neighbours, plane, "cpu")
    table = quality_table("SE", "2", "layer3", metrics, 7)
    assert table.columns.tolist() == module.QUALITY.names
    assert table.loc[table["space"] == "features", "seed"].isna().all()
    assert (table.loc[table["space"] == "plane", "seed"] == 7).all()
    ranged = table[table["metric"] != "kl_divergence"]
    assert ((ranged["ci_low"] <= ranged["value"]) & (ranged["value"] <= ranged["ci_high"])).all()


def test_few_images_have_fewer_neighbours() -> None:
    assert [neighbour_count(n) for n in (10, 20, 21, 10_000)] == [4, 9, 10, 10]
