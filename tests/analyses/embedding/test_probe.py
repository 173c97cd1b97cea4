"""The linear probe against scikit-learn fold by fold, its folds, and what stops or cannot be fitted."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from autola_analysis.analyses.embedding import probe as module
from autola_analysis.analyses.embedding.probe import FOLDS, linear_probe, stratified_folds
from tests.analyses.embedding.points import blobs


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 23), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_folds_hold_every_class_in_proportion(sizes: list[int], seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    fold = stratified_folds(labels, seed)
    for part in (fold, *(fold[labels == label] for label in range(len(sizes)))):
        counts = np.bincount(part, minlength=FOLDS)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(fold, stratified_folds(labels, seed))


def test_folds_follow_the_seed() -> None:
    labels = np.arange(60) % 3
    assert (stratified_folds(labels, 0) != stratified_folds(labels, 1)).any()


def test_every_image_is_predicted_by_a_classifier_that_did_not_see_it() -> None:
    generator = np.random.default_rng(3)
    labels = np.arange(80) % 4
    values = generator.normal(size=(80, 5)) * [1, 1, 100, 1, 1] + labels[:, None]
    fold = stratified_folds(labels, 2)
    expected = np.zeros(80, dtype=bool)
    for left_out in range(FOLDS):
        train, test = fold != left_out, fold == left_out
        mean, spread = values[train].mean(axis=0), values[train].std(axis=0)
        classifier = LogisticRegression(max_iter=1000).fit((values[train] - mean) / spread, labels[train])
        expected[test] = classifier.predict((values[test] - mean) / spread) == labels[test]
    found = linear_probe(values, labels, 2)
    np.testing.assert_array_equal(found.correct, expected)
    assert 0.2 < expected.mean() < 1
    assert found.unfinished == 0


def test_labels_that_features_do_not_hold_are_right_by_chance() -> None:
    generator = np.random.default_rng(0)
    found = linear_probe(generator.normal(size=(400, 3)), np.arange(400) % 2)
    assert found.correct.mean() == pytest.approx(0.5, abs=0.1)


def test_a_fit_that_does_not_converge_is_counted_and_warns_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ITERATIONS", 1)
    features = blobs(60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert linear_probe(features.values, features.labels).unfinished == FOLDS


def test_the_only_image_of_a_class_is_never_right_and_constant_features_are_fitted() -> None:
    labels = np.array([0] * 12 + [1])
    values = np.column_stack([np.ones(13), labels])
    assert linear_probe(values, labels).correct.tolist() == [True] * 12 + [False]
