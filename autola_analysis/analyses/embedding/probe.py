"""A linear probe: how well a linear classifier reads the classes off the features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from autola_analysis.analyses.group_folds import group_folds

IntArray = NDArray[np.int64]
FOLDS = 5
PENALTY = 1.0
"""C of scikit-learn: the inverse of the strength of the squared penalty on the weights."""
ITERATIONS = 1000


@dataclass(frozen=True)
class Probe:
    """What a linear probe found.

    Attributes:
        correct: Whether an image is right when the classifier was fitted without it, ``(N,)``.
        unfinished: Folds whose fit stopped before it had converged.
    """

    correct: NDArray[np.bool_]
    unfinished: int


def linear_probe(values: NDArray[Any], labels: IntArray, seed: int = 0, groups: IntArray | None = None) -> Probe:
    """Fit logistic regression on four fifths of the images and predict the fifth left out, five times.

    Features are standardised by the mean and deviation of the four fifths. Folds hold every class in proportion; of a
    class with fewer than five images some folds have none, and its only image is never right.

    Args:
        values: ``(N, D)``.
        labels: ``(N,)``.
        seed: Of the folds.
        groups: Group of every image, ``(N,)``, whose images are in one fold; None where each is its own.

    References:
        Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2017.
    """
    fold = stratified_folds(labels, seed) if groups is None else group_folds(labels, groups, FOLDS, seed)
    correct = np.zeros(len(labels), dtype=bool)
    unfinished = 0
    features = np.asarray(values, dtype=np.float64)
    for left_out in np.unique(fold):  # of few groups some folds have none
        test = fold == left_out
        predicted, converged = _fitted(features[~test], labels[~test], features[test])
        correct[test] = predicted == labels[test]
        unfinished += not converged
    return Probe(correct, unfinished)


def stratified_folds(labels: IntArray, seed: int) -> IntArray:
    """Return the fold of every image, ``(N,)``: folds of a class, and folds altogether, differ by one image at most."""
    shuffled = np.random.default_rng([seed, 5]).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % FOLDS
    return fold


def _fitted(values: NDArray[Any], labels: IntArray, test: NDArray[Any]) -> tuple[IntArray, bool]:
    """Return the predicted labels of test images, and whether the fit converged."""
    if (labels == labels[0]).all():  # scikit-learn refuses to fit a single class
        return np.full(len(test), labels[0]), True
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=ITERATIONS))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        classifier.fit(values, labels)
    predicted: IntArray = classifier.predict(test)
    return predicted, not any(issubclass(each.category, ConvergenceWarning) for each in caught)
