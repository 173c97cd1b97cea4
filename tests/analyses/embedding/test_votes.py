"""Votes against scikit-learn, and influence values against loops and against every half there is."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from autola_analysis.analyses.embedding import votes as module
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.votes import candidates, knn_accuracies, random_halves


def points(n: int, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points of classes that overlap."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % classes)
    return generator.normal(size=(n, 4)) + 0.8 * labels[:, None], labels


def near(values: np.ndarray, k: int) -> np.ndarray:
    return nearest_neighbours(values, k, device="cpu").indices


def majority(labels: np.ndarray) -> int:
    """Return the label with the most votes, the smallest of several."""
    return int(np.bincount(labels).argmax()) if len(labels) else 0


def naive_influence(chosen: np.ndarray, halves: np.ndarray, labels: np.ndarray, k: int, noise: bool) -> np.ndarray:
    """Return influence values from the halves ``(N, S, K)`` of the neighbours of every image, one by one.

    Args:
        chosen: Nearest neighbours of every image.
        halves: Which of them are in each half; the second half of the halves mirrors the first.
        labels: Classes of the images.
        k: Number of neighbours.
        noise: Whether halves are drawn, so that some of the explained variance is there by chance.
    """
    n = len(labels)
    influence = np.zeros(n)
    correct = np.array([majority(labels[chosen[i][:k]]) == labels[i] for i in range(n)])
    for i in range(n):
        right = np.array([majority(labels[chosen[i][half]][: -(-k // 2)]) == labels[i] for half in halves[i]])
        pairs = len(right) // 2
        differences = right[:pairs].astype(float) - right[pairs:]
        explained = 0.0
        for place, j in enumerate(chosen[i]):
            inside = halves[i][:, place]
            gain = right[inside].mean() - right[~inside].mean()
            explained += (gain**2 - noise * (differences**2).mean() / pairs) / 4
            influence[j] += gain / 2
        p = right.mean()
        left = 1 - min(max(explained / (p * (1 - p)), 0), 1) if 0 < p < 1 else 1
        influence[i] += p + np.sqrt(left) * (correct[i] - p)
    return influence - influence.mean() + correct.mean()


@pytest.mark.parametrize("classes", [3, 40])
def test_right_and_wrong_are_scikit_learns_leave_one_out(classes: int) -> None:
    values, labels = points(150, classes)
    found = knn_accuracies(near(values, candidates(50)), labels, (1, 5, 10, 50))
    for k, accuracy in found.items():
        predicted = cross_val_predict(KNeighborsClassifier(k, algorithm="brute"), values, labels, cv=LeaveOneOut())
        np.testing.assert_array_equal(accuracy.correct, predicted == labels)


def test_among_equally_many_votes_the_smallest_label_wins() -> None:
    neighbours = np.array([[1, 2], [0, 3], [0, 3], [2, 0]])  # one vote for each class, four times
    found = knn_accuracies(neighbours, np.array([4, 4, 7, 7]), (2,))[2]
    np.testing.assert_array_equal(found.correct, [True, True, False, False])


@pytest.mark.parametrize(("classes", "k"), [(3, 1), (3, 5), (20, 6)])
def test_influence_values_are_the_sums_of_the_formula(classes: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HALVES", 60)
    values, labels = points(70, classes)
    chosen = near(values, candidates(k))
    found = knn_accuracies(chosen, labels, (k,), seed=3)[k].influence
    generator = np.random.default_rng([3, 6])
    halves = np.concatenate([random_halves(generator, rows, candidates(k)) for rows in (64, 6)])  # blocks of 64
    np.testing.assert_allclose(found, naive_influence(chosen, halves, labels, k, noise=True), atol=1e-5)
    assert found.std() > 0.1


def test_random_halves_come_close_to_all_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels = points(11)
    chosen = near(values, 10)
    half = np.array(list(product([False, True], repeat=10)))
    expected = naive_influence(chosen, np.broadcast_to(half, (11, *half.shape)), labels, 3, noise=False)
    monkeypatch.setattr(module, "HALVES", 20_000)
    found = knn_accuracies(chosen, labels, (3,))[3].influence
    # A share of 10,000 halves has a standard error of 0.005 at most; ten of them are added up.
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_halves_are_halves_and_the_last_are_what_the_first_left_out() -> None:
    halves = random_halves(np.random.default_rng(0), 30, 40)
    assert halves.shape == (30, module.HALVES, 40)
    first, last = np.split(halves, 2, axis=1)
    np.testing.assert_array_equal(last, ~first)
    assert first.mean() == pytest.approx(0.5, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(9, 90), seed=st.integers(0, 999), offset=st.integers(0, 500))
def test_influence_values_keep_the_mean_and_do_not_depend_on_the_numbers_of_classes(
    n: int, seed: int, offset: int
) -> None:
    values, labels = points(n, seed=seed)
    chosen = near(values, n - 1)
    found = knn_accuracies(chosen, labels, (4,), seed)[4]
    assert found.influence.mean() == pytest.approx(found.correct.mean(), abs=1e-9)
    renamed = knn_accuracies(chosen, labels * 3 + offset, (4,), seed)[4]
    np.testing.assert_array_equal(renamed.influence, found.influence)


def test_classes_far_apart_leave_every_image_without_influence() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 2
    values = generator.normal(size=(120, 3)) + 100 * labels[:, None]
    found = knn_accuracies(near(values, candidates(10)), labels, (10,))[10]
    np.testing.assert_allclose(found.influence, 1, atol=1e-12)
