"""How far one-shot accuracy ranks wirings as training them alone does, beside the best that noise allows.

Accuracies of wirings that are trained alone are noisy: two trainings of one wiring differ. With the reliability
``rho = var_between / (var_between + var_within / n)`` of a mean over n trainings, even the true quality of wirings has
a rank correlation with what was measured of ``(2 / pi) asin(sqrt(rho))`` only, where both are normal.

References:
    Kendall, "The treatment of ties in ranking problems", 1945; Yu et al., "Evaluating the Search Phase of Neural
    Architecture Search", ICLR 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

Array = NDArray[np.float64]
DRAWS = 2000
FEW = 16
"""Below as many wirings, tau cannot be told from zero unless it is large."""


def kendall(one: Array, other: Array) -> float:
    """Return Kendall's tau-b of two rankings; NaN where one of them is all ties, or there are fewer than two."""
    return float(kendalltau(one, other).statistic) if len(one) > 1 else math.nan


def kendall_interval(one: Array, other: Array, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """Return a 95% interval of tau-b, the percentiles of a bootstrap over wirings.

    Args:
        one: A value per wiring.
        other: A value per wiring.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Its limits; NaN where tau-b is.
    """
    if math.isnan(kendall(one, other)):
        return math.nan, math.nan
    chosen = np.random.default_rng(seed).integers(len(one), size=(draws, len(one)))
    taus = np.array([kendall(one[places], other[places]) for places in chosen])
    low, high = np.nanquantile(taus, (0.025, 0.975))
    return float(low), float(high)


def tau_ceiling(trainings: Sequence[Sequence[float]]) -> float:
    """Return the largest tau that noise of training allows.

    Args:
        trainings: Accuracies of the trainings of every wiring.

    Returns:
        NaN where no wiring was trained twice, or there is a single wiring.
    """
    repeated = [np.asarray(each) for each in trainings if len(each) > 1]
    if not repeated or len(trainings) < 2:
        return math.nan
    freedom = sum(len(each) - 1 for each in repeated)
    within = sum(float(each.var()) * len(each) for each in repeated) / freedom
    noise = within * float(np.mean([1 / len(each) for each in trainings]))
    means = float(np.var([np.mean(each) for each in trainings], ddof=1))
    reliability = max(0.0, 1 - noise / means) if means else 0.0
    return 2 / math.pi * math.asin(math.sqrt(reliability))


def chance_error(wirings: int) -> float:
    """Return the standard error that tau has without any correlation."""
    return math.sqrt(2 * (2 * wirings + 5) / (9 * wirings * (wirings - 1))) if wirings > 1 else math.inf
