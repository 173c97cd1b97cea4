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


def averaged(chosen: np.ndarray, halves: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return what is averaged over halves ``(N, S, K)`` of the neighbours of every image, one by one."""
    n = len(labels)
    total = np.zeros(n)
    for i in range(n):
        right = [majority(labels[chosen[i][half]][:k]) == labels[i] for half in halves[i]]
        total[i] += np.mean(right)
        for place, j in enumerate(chosen[i]):
            with_j, without_j = (
                np.mean([each for each, half in zip(right, halves[i], strict=True) if half[place] == inside])
                for inside in (True, False)
            )
            total[j] += 0.5 * (with_j - without_j)
    return total


@pytest.mark.parametrize("classes", [3, 40])
def test_right_and_wrong_are_scikit_learns_leave_one_out(classes: int) -> None:
    values, labels = points(150, classes)
    found = knn_accuracies(near(values, 120), labels, (1, 5, 10, 50))
    for k, accuracy in found.items():
        predicted = cross_val_predict(KNeighborsClassifier(k, algorithm="brute"), values, labels, cv=LeaveOneOut())
        np.testing.assert_array_equal(accuracy.correct, predicted == labels)


def test_among_equally_many_votes_the_smallest_label_wins() -> None:
    neighbours = np.array([[1, 2], [0, 3], [0, 3], [2, 0]])  # one vote for each class, four times
    found = knn_accuracies(neighbours, np.array([4, 4, 7, 7]), (2,))[2]
    np.testing.assert_array_equal(found.correct, [True, True, False, False])


@pytest.mark.parametrize(("classes", "k"), [(3, 1), (3, 5), (20, 5)])
def test_influence_values_are_the_sums_of_the_formula(classes: int, k: int) -> None:
    values, labels = points(70, classes)
    chosen = near(values, candidates(k))
    found = knn_accuracies(chosen, labels, (k,), seed=3)[k]
    generator = np.random.default_rng([3, 6])
    halves = np.concatenate([random_halves(generator, rows, candidates(k)) for rows in (64, 6)])  # blocks of 64
    expected = averaged(chosen, halves, labels, k)
    np.testing.assert_allclose(found.influence, expected - expected.mean() + found.correct.mean(), atol=1e-6)
    assert expected.std() > 0.1


def test_random_halves_come_close_to_all_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels = points(11)
    chosen = near(values, 10)
    every = np.array(list(product([False, True], repeat=10)))
    expected = averaged(chosen, np.broadcast_to(every, (11, *every.shape)), labels, 3)
    monkeypatch.setattr(module, "HALVES", 20_000)
    found = knn_accuracies(chosen, labels, (3,))[3].influence
    # A share of 10,000 halves has a standard error of 0.005 at most; ten of them are added up.
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=0.05)


def test_halves_are_halves_and_the_second_hundred_are_the_others_of_the_first() -> None:
    halves = random_halves(np.random.default_rng(0), 30, 40)
    assert halves.shape == (30, module.HALVES, 40)
    np.testing.assert_array_equal(halves[:, 100:], ~halves[:, :100])
    assert halves[:, :100].mean() == pytest.approx(0.5, abs=0.01)


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
