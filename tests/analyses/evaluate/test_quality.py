"""Measures and their intervals against other people's code, and against naive code."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_score,
    recall_score,
    top_k_accuracy_score,
)

from autola_analysis.analyses.evaluate.quality import calibration_gaps, estimate, wilson_interval
from autola_analysis.statistics.intervals import bootstrap_interval, mean_interval
from tests.analyses.evaluate.networks import drawn, evaluated


def naive_calibration_error(correct: np.ndarray, confidence: np.ndarray) -> float:
    """The definition, bin by bin."""
    total = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("classes", [3, 5, 6, 11])
def test_measures_are_those_of_scikit_learn(classes: int) -> None:
    logits, labels = drawn(200, classes)
    result = evaluated(logits, labels, [f"c{number}" for number in range(classes)])
    shares = logits.double().softmax(1).numpy()
    y = labels.numpy()
    predicted = shares.argmax(1)
    values = result.metrics.set_index("metric")["value"]
    assert values["top1"] == accuracy_score(y, predicted)
    assert values["nll"] == pytest.approx(log_loss(y, shares, labels=range(classes)), rel=1e-5)
    assert values["ece"] == pytest.approx(naive_calibration_error(predicted == y, shares.max(1)), abs=1e-6)
    if classes > 5:
        assert values["top5"] == top_k_accuracy_score(y, shares, k=5, labels=range(classes))
    else:
        assert "top5" not in values
    assert result.accuracy.top1 == values["top1"]
    assert result.accuracy.top5 == values.get("top5")
    np.testing.assert_array_equal(result.confusion, confusion_matrix(y, predicted))
    np.testing.assert_array_equal(result.correct, predicted == y)
    np.testing.assert_allclose(result.per_class["top1"], recall_score(y, predicted, average=None))
    np.testing.assert_allclose(result.per_class["precision"], precision_score(y, predicted, average=None))
    assert result.per_class["images"].tolist() == np.bincount(y).tolist()
    assert result.per_class["predicted"].tolist() == np.bincount(predicted, minlength=classes).tolist()


def test_a_rank_is_the_number_of_higher_logits() -> None:
    logits, labels = drawn(100, 12, sharpness=0)
    result = evaluated(logits, labels, list("abcdefghijkl"))
    own = logits.gather(1, labels[:, None])
    np.testing.assert_array_equal(result.predictions.ranks, (logits > own).sum(1).numpy())


def test_calibration_gaps_average_to_the_calibration_error() -> None:
    generator = np.random.default_rng(0)
    confidence = np.concatenate([generator.uniform(0.1, 1, 500), [1.0, 1.0, 1 / 15, 2 / 15]])
    correct = (generator.uniform(size=504) < confidence**2).astype(float)
    gaps = calibration_gaps(correct, confidence)
    assert gaps.mean() == pytest.approx(naive_calibration_error(correct, confidence), abs=1e-12)


def test_a_network_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    assert calibration_gaps(np.array([1.0, 1, 1, 0]), np.full(4, 0.75)).mean() == 0


def test_a_bin_holds_its_upper_end() -> None:
    gaps = calibration_gaps(np.array([1.0, 0.0]), np.array([0.2, 0.19]))  # both in the third bin, 2/15 to 3/15
    assert gaps.mean() == pytest.approx((0.8 - 0.19) / 2)


@pytest.mark.parametrize(("hits", "images"), [(0, 9), (9, 9), (1, 30), (870, 1000)])
def test_the_interval_of_a_share_is_wilsons(hits: int, images: int) -> None:
    expected = stats.binomtest(hits, images).proportion_ci(method="wilson")
    assert wilson_interval(hits, images) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_one_network_has_an_interval_over_images() -> None:
    values = (np.arange(40) < 31).astype(float)[None]
    assert estimate(values, "top1")[1:] == wilson_interval(31, 40)
    likelihood = np.random.default_rng(0).exponential(size=(1, 40))
    assert estimate(likelihood, "nll", seed=3)[1:] == bootstrap_interval(likelihood[0], 3)


def test_three_runs_have_an_interval_over_runs_and_images() -> None:
    values = (np.random.default_rng(0).uniform(size=(3, 60)) < 0.7).astype(float)
    numbers = estimate(values, "top1")
    assert numbers.value == values.mean()
    assert numbers[1:] == mean_interval(values)


@pytest.mark.parametrize("runs", [2, 3])
def test_runs_that_are_always_right_have_an_interval_with_a_width(runs: int) -> None:
    assert estimate(np.ones((runs, 20)), "top1") == (1.0, *wilson_interval(20, 20))


def test_runs_that_miss_one_image_each_have_an_interval_with_a_width() -> None:
    values = 1 - np.eye(3, 20)
    low, high = mean_interval(values)
    assert high - low < 1e-12
    assert estimate(values, "top1") == pytest.approx((0.95, *wilson_interval(57, 60)))


def test_an_interval_of_a_share_stays_between_0_and_1() -> None:
    values = np.ones((3, 20))
    values[0, :4] = 0
    assert mean_interval(values)[1] > 1
    assert estimate(values, "top1").ci_high == 1
    spread = np.array([[0.0], [0.0], [0.1]]) * np.ones(20)
    assert mean_interval(spread)[0] < 0
    assert estimate(spread, "nll").ci_low == estimate(spread, "ece").ci_low == 0
    assert estimate(9 + spread, "nll").ci_high > 9


def test_without_images_nothing_is_known() -> None:
    assert np.isnan(estimate(np.empty((2, 0)))).all()
