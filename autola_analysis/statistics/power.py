"""How large a difference would have to be for so many runs and images to find it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize, special

from autola_analysis.statistics.intervals import CONFIDENCE, Component, half_width, together

POWER = 0.8
QUANTILES = 16
"""Of the distribution of every estimated variance; with twice as many the result moves by less than 1%."""
FURTHEST = 1000.0
"""Standard errors within which a difference is looked for."""


def detectable_difference(
    components: Sequence[Component], margin: float = 0.0, confidence: float = CONFIDENCE, power: float = POWER
) -> float:
    """Return the true difference whose interval lies beyond the margin with a probability of `power`.

    The estimate is normal around the true difference with the standard error S of the components, and independent of
    the half width H of its interval, which varies as the estimated variances do (chi-squared, together with Welch's
    degrees of freedom). So the power at ``margin + d`` is the mean of ``Phi((d - H) / S)`` over H, and d solves it.
    With one component that is the power of the noncentral t. With runs of two variants the noncentral t at Welch's
    degrees of freedom for the true variances promises 80% where 68% of three against three are detected: the estimated
    degrees of freedom vary, and lie lower. A planning figure: S is itself estimated from the same few runs.

    Args:
        components: Of the variance of the difference.
        margin: That the interval has to lie beyond.
        confidence: Of the interval.
        power: Probability.

    Returns:
        The difference, positive; NaN where there is no component or no variation.

    References:
        Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 2.
        Welch, "The generalization of Student's problem", Biometrika 1947.
    """
    if not components or not (error := float(np.sqrt(sum(each.error for each in components)))):
        return float("nan")
    halves = half_width(_as_estimated(components), confidence) / error
    excess = optimize.brentq(lambda d: float(special.ndtr(d - halves).mean()) - power, 0, FURTHEST)
    return margin + error * float(excess)


def _as_estimated(components: Sequence[Component]) -> list[Component]:
    """Return the components as they might be estimated: a value per combination of quantiles of their variances."""
    leaves = [part for each in components for part in each.parts or (each,)]
    places = (np.arange(QUANTILES) + 0.5) / QUANTILES
    ratios = [special.chdtri(leaf.degrees, 1 - places) / leaf.degrees for leaf in leaves]
    combined = iter(np.meshgrid(*ratios, indexing="ij"))
    estimated = []
    for each in components:
        parts = [replace(part, error=part.error * next(combined)) for part in each.parts or (each,)]
        estimated.append(together(parts) if each.parts else parts[0])
    return estimated
