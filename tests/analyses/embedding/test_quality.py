"""Every metric against scikit-learn or the formula written out; blocks, ties and small sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from autola_analysis.analyses.embedding import neighbours as blocks
from autola_analysis.analyses.embedding import probe
from autola_analysis.analyses.embedding import quality as module
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.preservation import recall_samples, trustworthiness_samples
from autola_analysis.analyses.embedding.quality import (
    Quality,
    feature_quality,
    neighbour_count,
    neighbours_needed,
    plane_quality,
    sweep_counts,
    undefined_plane,
)
from autola_analysis.analyses.embedding.tables import QUALITY, SWEEP, metric_rows
from autola_analysis.statistics.intervals import bootstrap_interval
from tests.analyses.embedding.points import blobs


def noisy_plane(n: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features = blobs(n)
    coords = features.values[:, :2] + np.random.default_rng(1).normal(size=(n, 2))
    return features.values, coords.astype(np.float64), features.labels


def near(values: np.ndarray, k: int = 10) -> np.ndarray:
    return nearest_neighbours(values, k, device="cpu").indices


@pytest.mark.parametrize("k", [3, 10])
def test_trustworthiness_is_scikit_learns(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values, coords, _ = noisy_plane(150)
    monkeypatch.setattr(blocks, "DISTANCES", 100)
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
    neighbours = nearest_neighbours(coords, neighbours_needed(80), device="cpu")
    found = plane_quality(coords, 0.5, coords, labels, neighbours, neighbours, "cpu")
    values = {metric.name: metric.value for metric in found.metrics}
    assert values["trustworthiness"] == values["knn_recall"] == 1
    assert values["kl_divergence"] == 0.5


@settings(max_examples=30, deadline=None)
@given(n=st.integers(5, 30), seed=st.integers(0, 999))
def test_recall_is_the_share_of_common_neighbours(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = (near(generator.normal(size=(n, 2)), 4) for _ in range(2))
    expected = [len(set(x) & set(y)) / 4 for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_array_equal(recall_samples(a, b), expected)


def measured(n: int = 110) -> Quality:
    """Return the quality of both spaces."""
    values, coords, labels = noisy_plane(n)
    k = neighbours_needed(n)
    neighbours, plane = (nearest_neighbours(points, k, device="cpu") for points in (values, coords))
    features = feature_quality(values, labels, neighbours, "cpu")
    of_plane = plane_quality(coords, 0.1, values, labels, neighbours, plane, "cpu")
    return Quality([*features.metrics, *of_plane.metrics], [*features.sweep, *of_plane.sweep], features.warnings)


def test_large_sets_are_rated_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    features = blobs(300)
    neighbours = nearest_neighbours(features.values, neighbours_needed(300), device="cpu")
    whole = feature_quality(features.values, features.labels, neighbours, "cpu").metrics[1]
    monkeypatch.setattr(module, "SAMPLE", 100)
    sample = feature_quality(features.values, features.labels, neighbours, "cpu").metrics[1]
    assert whole.name == "silhouette"
    assert sample.value != whole.value
    assert sample.interval[0] < whole.value < sample.interval[1]
    assert np.ptp(sample.interval) > np.ptp(whole.interval)
    drawn = ~np.isnan(sample.samples)
    assert drawn.sum() == 100
    np.testing.assert_array_equal(drawn, ~np.isnan(sample.influence))
    np.testing.assert_allclose(sample.samples[drawn], whole.samples[drawn], atol=1e-12)


def test_intervals_are_made_of_influence_values_where_images_are_neighbours_of_others() -> None:
    found = measured()
    for metric in [*found.metrics, *found.sweep]:
        if metric.samples is None:
            continue
        assert metric.samples.mean() == pytest.approx(metric.value)
        assert (metric.influence is not None) == metric.name.startswith(("knn_accuracy", "silhouette"))
        values = metric.samples if metric.influence is None else metric.influence
        assert values.mean() == pytest.approx(metric.value, abs=1e-12)
        assert metric.interval == bootstrap_interval(values, 0)


def test_the_tables_have_a_seed_for_the_plane_alone() -> None:
    found = measured()
    for table, metrics in ((QUALITY, found.metrics), (SWEEP, found.sweep)):
        rows = metric_rows(table, "SE", "2", "layer3", metrics, 7)
        assert rows.columns.tolist() == table.names
        assert rows.loc[rows["space"] == "features", "seed"].isna().all()
        assert (rows.loc[rows["space"] == "plane", "seed"] == 7).all()
        ranged = rows[rows["metric"] != "kl_divergence"] if "metric" in rows else rows
        assert ((ranged["ci_low"] <= ranged["value"]) & (ranged["value"] <= ranged["ci_high"])).all()


def test_the_sweep_is_scikit_learns_accuracy_at_every_k_in_both_spaces() -> None:
    values, coords, labels = noisy_plane(110)
    found = {(each.space, each.k): each for each in measured().sweep}
    assert list(found) == [(space, k) for space in ("features", "plane") for k in (1, 5, 10, 20, 50)]
    for (space, k), metric in found.items():
        points = values.astype(np.float64) if space == "features" else coords
        classifier = KNeighborsClassifier(k, algorithm="brute")
        predicted = cross_val_predict(classifier, points, labels, cv=LeaveOneOut())
        np.testing.assert_array_equal(metric.samples, predicted == labels)
    main = {each.space: each for each in measured().metrics if each.name == "knn_accuracy"}
    for space, metric in main.items():
        assert (metric.value, metric.interval) == (found[space, 10].value, found[space, 10].interval)


def test_few_images_have_fewer_neighbours() -> None:
    assert [neighbour_count(n) for n in (10, 20, 21, 10_000)] == [4, 9, 10, 10]


def test_a_k_that_the_images_do_not_allow_is_left_out_with_a_sentence() -> None:
    assert [sweep_counts(n) for n in (10, 11, 100, 101)] == [[1], [1, 5], [1, 5, 10, 20], [1, 5, 10, 20, 50]]
    found = measured(30)
    assert {each.k for each in found.sweep} == {1, 5, 10}
    (warning,) = found.warnings
    assert warning.startswith("the accuracy of k = 20, 50 nearest neighbours is left out")
    assert warning.endswith("there are 30.")
    assert measured().warnings == ()


def test_a_probe_that_did_not_converge_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ITERATIONS", 1)
    (warning,) = measured().warnings
    assert warning == "the linear probe had not converged in 5 of its 5 folds; its accuracy may be too low."


@pytest.mark.parametrize("labelled", [True, False])
def test_positions_that_are_not_finite_have_the_metrics_of_a_plane_without_values(labelled: bool) -> None:
    names = [each.name for each in measured().metrics if each.space == "plane"]
    found = undefined_plane(labelled)
    assert [each.name for each in found.metrics] == (names if labelled else names[2:])
    assert all(np.isnan(each.value) for each in found.metrics)
