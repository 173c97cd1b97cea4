"""Measures of a classifier as means over images, and their intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from autola_analysis.analyses.evaluate.predictions import Predictions
from autola_analysis.inference.tasks.accuracy import TOP1 as TOP1
from autola_analysis.statistics.intervals import CONFIDENCE, Interval, mean_interval

FloatArray = NDArray[np.float64]

BINS = 15
TOP5, NLL, ECE = "top5", "nll", "ece"
METRICS = (TOP1, TOP5, NLL, ECE)
SHARES = (TOP1, TOP5)
"""Measures that count images: an image is a hit or none."""
NOT_KNOWN = float("nan")


class Estimate(NamedTuple):
    """A mean with its 95% interval; NaN where it is not known."""

    value: float
    ci_low: float
    ci_high: float


def values_per_image(predictions: Predictions, outputs: int) -> dict[str, FloatArray]:
    """Return the value of every image per measure, ``(N,)``; the mean of the values is the measure.

    Args:
        predictions: Of a network whose outputs the labels number.
        outputs: Number of outputs; top-5 accuracy takes six.
    """
    if predictions.ranks is None or predictions.nll is None:
        return {}
    values = {TOP1: (predictions.ranks == 0).astype(float)}
    if outputs > 5:
        values[TOP5] = (predictions.ranks < 5).astype(float)
    values[NLL] = predictions.nll.astype(float)
    values[ECE] = calibration_gaps(values[TOP1], predictions.confidence)
    return values


def calibration_gaps(correct: FloatArray, confidence: NDArray[np.floating]) -> FloatArray:
    """Return a value per image whose mean is the expected calibration error.

    The error is ``sum_b n_b / N |accuracy_b - confidence_b|`` over 15 bins of confidence of equal width, open below.
    With s_b the sign of a bin's difference, it is the mean of ``s_b (correct_i - confidence_i)`` over the images i. An
    interval of that mean takes the signs as given.

    Args:
        correct: 1 for a correct prediction, else 0, ``(N,)``.
        confidence: Softmax probability of the prediction, ``(N,)``.

    References:
        Guo et al., "On calibration of modern neural networks", ICML 2017, equation 3.
    """
    confidence = confidence.astype(float)
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = correct - confidence
    signs = np.sign(np.bincount(bins, gaps, minlength=BINS))
    return np.asarray(signs[bins] * gaps, dtype=float)


def estimate(values: FloatArray, metric: str = TOP1, seed: int = 0) -> Estimate:
    """Return the mean of a measure with its interval.

    A share of the images of one network has Wilson's interval: unlike a bootstrap, it has a width where all images are
    hits. All other intervals are `mean_interval`: a bootstrap over images, from three runs on over runs and images. A
    share of several runs has an interval that holds Wilson's too, over the predictions of all runs (over the images,
    where the runs agree on every one): where runs happen to miss equally many images, components of variance are
    estimated as zero, and with them the width.

    Args:
        values: ``(runs, images)``, the same images in every row.
        metric: Name of the measure.
        seed: Of the bootstrap.
    """
    if not values.size:
        return Estimate(NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)
    value = float(values.mean())
    trials = values.shape[1] if (values == values[0]).all() else values.size
    intervals = [wilson_interval(round(value * trials), trials)] if metric in SHARES else []
    if len(values) > 1 or metric not in SHARES:
        intervals.append(mean_interval(values, seed))
    low, high = (float(bound) for bound in (np.min(intervals, axis=0)[0], np.max(intervals, axis=0)[1]))
    highest = np.inf if metric == NLL else 1.0
    return Estimate(value, float(np.maximum(low, 0.0)), float(np.minimum(high, highest)))


def wilson_interval(hits: int, images: int) -> Interval:
    """Return the 95% score interval of a share.

    Args:
        hits: Images that count.
        images: All images.

    References:
        Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    z = float(special.ndtri(0.5 + CONFIDENCE / 2))
    share = hits / images
    centre = share + z**2 / (2 * images)
    half = z * (share * (1 - share) / images + (z / (2 * images)) ** 2) ** 0.5
    low, high = (centre - half) / (1 + z**2 / images), (centre + half) / (1 + z**2 / images)
    return 0.0 if hits == 0 else low, 1.0 if hits == images else high  # where rounding misses the end by a bit
