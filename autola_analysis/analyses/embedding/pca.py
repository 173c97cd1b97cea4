"""The two principal components of many points: where t-SNE starts, and the plain baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits

FloatArray = NDArray[np.float64]

DENSE = 4096  # largest side of a covariance that is written out
ROWS = 4096
FEW = 4  # times as many dimensions as points: their own decomposition is faster than that of the covariance


def principal_components(values: NDArray[Any]) -> FloatArray:
    """Return the projections on the two axes of largest variance, ``(N, 2)``, float64.

    The axis of each component points to where its largest loading is positive. One thread and a fixed start make the
    result the same bit by bit on one machine. Features that do not vary in a second direction give zeros there.

    Args:
        values: ``(N, D)``; may be mapped from a file, and is read in pieces.
    """
    with threadpool_limits(limits=1):
        mean: FloatArray = np.asarray(np.mean(values, axis=0, dtype=np.float64))
        axes = _axes(values, mean)
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        coords = np.zeros((len(values), 2))
        for rows in _blocks(len(values)):
            coords[rows, : axes.shape[1]] = (values[rows] - mean) @ axes
    spread = np.abs(coords).max(axis=0)
    # What rounding leaves of a direction without variance is no direction.
    coords[:, spread <= 1e-12 * max(np.abs(mean).max(), spread.max(), np.finfo(float).tiny)] = 0
    return coords


def _axes(values: NDArray[Any], mean: FloatArray) -> FloatArray:
    """Return the two leading eigenvectors of the covariance as columns, ``(D, 2)``; one where D is 1."""
    points, width = values.shape
    if width <= DENSE and FEW * points <= width:
        return np.ascontiguousarray(np.linalg.svd(values - mean, full_matrices=False).Vh[:2].T)
    if width <= DENSE:
        covariance = np.zeros((width, width))
        for rows in _blocks(len(values)):
            centred = values[rows] - mean
            covariance += centred.T @ centred
        _, axes = eigh(covariance, subset_by_index=[max(0, width - 2), width - 1])
        return np.ascontiguousarray(axes[:, ::-1])

    def apply(vector: FloatArray) -> FloatArray:
        product = np.zeros(width)
        for rows in _blocks(len(values)):
            centred = values[rows] - mean
            product += centred.T @ (centred @ vector.ravel())
        return product

    operator = LinearOperator((width, width), matvec=apply, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=width)
    eigenvalues, axes = eigsh(operator, k=2, v0=start, tol=1e-8)  # type: ignore[call-overload]  # stubs lack matvec
    return np.ascontiguousarray(axes[:, np.argsort(-eigenvalues)])


def _blocks(length: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, length, ROWS)]
