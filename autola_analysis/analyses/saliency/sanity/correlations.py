"""Rank correlations of maps, and 95% intervals of their means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor

from autola_analysis.analyses.saliency.explanation import status_of
from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.statistics.intervals import CONFIDENCE, NONE, RUNS_FOR_MODULES, Interval

FloatArray = NDArray[np.float64]


def unit_ranks(maps: Tensor) -> FloatArray:
    """Return the ranks of each map's pixels, centred and of length 1, so that a product is Spearman's correlation.

    Args:
        maps: ``(B, H, W)`` or ``(B, 3, H, W)``, reduced as `intensities` does.

    Returns:
        ``(B, H * W)``; NaN where a map says nothing: it is zero, constant or not finite.
    """
    ranks = stats.rankdata(intensities(maps).reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    length = np.sqrt((ranks**2).sum(1, keepdims=True))
    says = (np.array(status_of(maps.detach().cpu())) == "ok")[:, None] & (length > 0)
    return np.divide(ranks, length, out=np.full_like(ranks, np.nan), where=says)


def rank_correlations(first: Tensor, second: Tensor) -> FloatArray:
    """Return Spearman's rank correlation over pixels of each pair of maps, ``(B,)``; NaN where one says nothing."""
    correlations: FloatArray = (unit_ranks(first) * unit_ranks(second)).sum(1)
    return correlations


def between_images(ranks: FloatArray) -> FloatArray:
    """Return the mean correlation of each image's map with those of all other images, ``(B,)``.

    Args:
        ranks: ``(B, P)``, as `unit_ranks` gives them; a map that says nothing is nobody's other image.
    """
    defined = ~np.isnan(ranks).any(1)
    ours = ranks[defined]
    values = np.full(len(ranks), np.nan)
    if len(ours) > 1:
        products = ours @ ours.T
        values[defined] = (products.sum(1) - np.diag(products)) / (len(ours) - 1)
    return values


def mean_of(values: FloatArray) -> float:
    """Return the mean of what is defined; NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def crossed_interval(values: FloatArray) -> Interval:
    """Return the interval of the mean of ``(rows, images)``, of which some may be NaN: over rows and images together.

    Rows are draws of random weights, or other training runs. It is `intervals.runs_and_images_interval` for a matrix
    with gaps: with e the distance of a value from the mean over all n, the squared standard errors are
    ``R/(R-1) sum_rows (sum e)^2 / n^2`` and the same for columns, and the noise is the mean square that row and column
    effects leave, fitted by least squares, over n. Without gaps both are the same. Below three rows, the rows are taken
    as they are, and the interval is over images alone.

    Returns:
        Lower and upper limit, within [-1, 1]; NaN below two images.

    References:
        Cameron, Gelbach and Miller, "Robust Inference With Multiway Clustering", Journal of Business and Economic
        Statistics 2011, on sums of residuals per cluster.
    """
    defined = ~np.isnan(values)
    values = values[defined.any(1)][:, defined.any(0)]
    rows, columns = values.shape
    if columns < 2:
        return NONE
    distances = np.nan_to_num(values - mean_of(values))
    count = int((~np.isnan(values)).sum())
    over_columns = columns / (columns - 1) * (distances.sum(0) ** 2).sum() / count**2
    if rows < RUNS_FOR_MODULES:
        return _around(mean_of(values), _quantile(columns - 1) ** 2 * over_columns)
    over_rows = rows / (rows - 1) * (distances.sum(1) ** 2).sum() / count**2
    over_columns = max(over_columns - _noise(values), 0)
    squares = _quantile(rows - 1) ** 2 * over_rows + _quantile(columns - 1) ** 2 * over_columns
    return _around(mean_of(values), squares)


def pairs_interval(values: FloatArray) -> Interval:
    """Return the interval of the mean correlation over all pairs of images, by a jackknife over images.

    An image is part of N - 1 pairs, so that the values of `between_images` depend on each other. With U the mean over
    pairs and v_i the mean over those of image i, leaving image i out gives the pseudo-value
    ``2 (N - 1) / (N - 2) v_i - N / (N - 2) U``, whose mean is U; Student's t is taken over them.

    Args:
        values: As `between_images` gives them, ``(N,)``.

    Returns:
        Lower and upper limit, within [-1, 1]; NaN below three images.

    References:
        Arvesen, "Jackknifing U-Statistics", Annals of Mathematical Statistics 1969.
    """
    values = values[~np.isnan(values)]
    images = len(values)
    if images < 3:
        return NONE
    pseudo = (2 * (images - 1) * values - images * values.mean()) / (images - 2)
    return _around(float(values.mean()), _quantile(images - 1) ** 2 * pseudo.var(ddof=1) / images)


def _noise(values: FloatArray) -> float:
    """Return the squared standard error that the interaction of rows and columns leaves; 0 where none is left."""
    defined = ~np.isnan(values)
    per_row, per_column = defined.sum(1), defined.sum(0)
    within = values - np.nanmean(values, axis=0)
    # Column effects are eliminated: least squares for the rows alone.
    matrix = np.diag(per_row) - (defined / per_column) @ defined.T
    rows = np.linalg.pinv(matrix, hermitian=True) @ np.nansum(within, axis=1)
    residuals = values - rows[:, None]
    residuals -= np.nanmean(residuals, axis=0)
    count = int(defined.sum())
    free = count - len(per_column) - int(np.linalg.matrix_rank(matrix, hermitian=True))
    return float(np.nansum(residuals**2)) / free / count if free > 0 else 0.0


def _quantile(degrees: int) -> float:
    return float(special.stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def _around(centre: float, squares: float) -> Interval:
    half = float(np.sqrt(squares))
    return max(centre - half, -1.0), min(centre + half, 1.0)
