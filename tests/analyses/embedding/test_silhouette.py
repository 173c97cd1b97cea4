"""Silhouettes against scikit-learn, their influence values against loops and against weights moved a little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples as silhouette_of_sklearn

from autola_analysis.analyses.embedding import neighbours as blocks
from autola_analysis.analyses.embedding.silhouette import silhouettes
from tests.analyses.embedding.points import blobs


def weighted_silhouette(distances: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean silhouette of images that count as often as their weights say."""
    total = 0.0
    for i, own in enumerate(labels):
        others = np.arange(len(labels)) != i
        means = {}
        for label in np.unique(labels):
            of_class = (labels == label) & others
            if of_class.any():
                means[label] = (weights * distances[i])[of_class].sum() / weights[of_class].sum()
        if own in means:
            a, b = means.pop(own), min(value for label, value in means.items() if label != own)
            total += weights[i] * (b - a) / max(a, b) if max(a, b) > 0 else 0
    return total / weights.sum()


def naive_influence(distances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return influence values by the sums of the formula, one by one."""
    n = len(labels)
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
    a, b, s, nearest = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, dtype=int)
    for i in range(n):
        others = [j for j in members[labels[i]] if j != i]
        between = {label: np.mean([distances[i, j] for j in of]) for label, of in members.items() if label != labels[i]}
        nearest[i] = min(between, key=between.__getitem__)
        b[i] = between[nearest[i]]
        if others:
            a[i] = np.mean([distances[i, j] for j in others])
            s[i] = (b[i] - a[i]) / max(a[i], b[i])
    influence = s - s.mean()
    for j in range(n):
        for i in range(n):
            if len(members[labels[i]]) == 1:
                continue
            below = a[i] < b[i]
            by_a, by_b = (-1 / b[i], a[i] / b[i] ** 2) if below else (-b[i] / a[i] ** 2, 1 / a[i])
            if i != j and labels[i] == labels[j]:
                influence[j] += by_a * (distances[i, j] - a[i]) / (len(members[labels[j]]) - 1)
            if nearest[i] == labels[j]:
                influence[j] += by_b * (distances[i, j] - b[i]) / len(members[labels[j]])
    return influence


def overlapping(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points of classes that overlap, so that some silhouettes are negative; class 5 has a single image."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    labels[7] = 5
    return generator.normal(size=(n, 4)) + 0.6 * labels[:, None], labels


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_silhouettes_are_scikit_learns(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features = blobs(150)
    values, labels = features.values, features.labels.copy()
    labels[7] = 5  # the only image of its class, and no image of class 3 and 4
    monkeypatch.setattr(blocks, "DISTANCES", 100)  # blocks of 64
    found = silhouettes(values, labels, metric=metric, device="cpu")
    expected = silhouette_of_sklearn(values.astype(np.float64), labels, metric=metric)
    np.testing.assert_allclose(found.samples, expected, atol=1e-6)
    rows = np.array([5, 7, 100])
    np.testing.assert_allclose(silhouettes(values, labels, rows, metric, "cpu").samples, expected[rows], atol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_influence_values_are_the_sums_of_the_formula(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "DISTANCES", 100)
    values, labels = overlapping(90)
    found = silhouettes(values, labels, metric=metric, device="cpu")
    assert (found.samples < 0).any()
    assert (found.samples > 0).any()
    expected = found.samples.mean() + naive_influence(cdist(values, values, metric), labels)
    np.testing.assert_allclose(found.influence, expected, atol=1e-10)


def test_influence_is_how_the_mean_silhouette_moves_with_the_weight_of_an_image() -> None:
    values, labels = overlapping(40)
    distances, step = cdist(values, values), 1e-6
    found = silhouettes(values, labels, device="cpu")
    for j in range(40):
        more, less = np.ones(40), np.ones(40)
        more[j] += step
        less[j] -= step
        moved = weighted_silhouette(distances, labels, more) - weighted_silhouette(distances, labels, less)
        assert found.influence[j] - found.samples.mean() == pytest.approx(40 * moved / (2 * step), abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(9, 40), seed=st.integers(0, 999), scale=st.floats(1e-3, 1e3))
def test_influence_values_keep_the_mean_and_follow_order_and_scale(n: int, seed: int, scale: float) -> None:
    values, labels = overlapping(n, seed)
    found = silhouettes(values, labels, device="cpu")
    assert found.influence.mean() == pytest.approx(found.samples.mean(), abs=1e-12)
    order = np.random.default_rng(seed).permutation(n)
    turned = silhouettes(scale * values[order], labels[order], device="cpu")
    np.testing.assert_allclose(turned.influence, found.influence[order], atol=1e-6)


def test_a_sample_of_images_has_influence_values_like_those_of_all() -> None:
    values, labels = overlapping(600)
    rows = np.sort(np.random.default_rng(1).choice(600, 300, replace=False))
    whole, sample = silhouettes(values, labels, device="cpu"), silhouettes(values, labels, rows, device="cpu")
    np.testing.assert_allclose(sample.samples, whole.samples[rows], atol=1e-12)
    assert sample.influence.mean() == pytest.approx(sample.samples.mean(), abs=1e-12)
    assert np.corrcoef(sample.influence, whole.influence[rows])[0, 1] > 0.99
    # Sums over 300 images, scaled up to 600, are off by some per cent.
    assert sample.influence.std() == pytest.approx(whole.influence[rows].std(), rel=0.1)


def test_a_single_class_has_no_silhouette() -> None:
    found = silhouettes(blobs().values, np.zeros(60, dtype=np.int64), device="cpu")
    assert np.isnan(found.samples).all()
    assert np.isnan(found.influence).all()


def test_images_at_one_place_have_silhouette_zero_and_no_influence() -> None:
    found = silhouettes(np.ones((6, 2)), np.arange(6) % 2, device="cpu")
    np.testing.assert_array_equal(found.samples, 0)
    np.testing.assert_array_equal(found.influence, 0)
