"""Linear CKA of many layers at once, from an unbiased estimate of HSIC over minibatches of equal size.

For features X ``(m, p)`` and Y ``(m, q)`` of the same m images, K and L are the Gram matrices of their rows, with a
diagonal of zeros. Song et al. (2012) estimate the Hilbert-Schmidt independence criterion without bias by ::

    HSIC_1(K, L) = (tr(K L) + 1'K1 1'L1 / ((m - 1)(m - 2)) - 2 / (m - 2) 1'KL1) / (m (m - 3))

which is the inner product, over m (m - 3), of the two matrices after U-centring (Szekely and Rizzo 2014): off the
diagonal ``K_ij - K_i. / (m - 2) - K_.j / (m - 2) + K_.. / ((m - 1)(m - 2))``, with dots for sums. So the HSIC of all
pairs of layers is one matrix product. Features are centred first, which changes nothing in exact arithmetic and leaves
``K_i. = -|x_i|^2``. Kornblith et al. (2019) divide: ``CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))``. Nguyen, Raghu
and Kornblith (2021) average HSIC_1 over minibatches, which stays unbiased for each of their sizes; the estimate of CKA
may be slightly below 0.

Minibatches are equal parts of a seeded permutation of the images, not the batches of the pass: those follow the order
of the data, and in a class-sorted folder would compare images of one class only, at another number per batch size.

References:
    Kornblith, Norouzi, Lee and Hinton, "Similarity of Neural Network Representations Revisited", ICML 2019.
    Nguyen, Raghu and Kornblith, "Do Wide and Deep Networks Learn the Same Things?", ICLR 2021.
    Song, Smola, Gretton, Bedo and Borgwardt, "Feature Selection via Dependence Maximization", JMLR 2012.
    Szekely and Rizzo, "Partial distance correlation with methods for dissimilarities", Annals of Statistics 2014.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOLDS = 20
"""Parts of the images whose shares of every HSIC are kept: an interval over images is made of them."""
FEWEST_IMAGES = 4
TILE = 50
"""Rows of all Gram matrices that are held at once."""


def minibatches(images: int, size: int, seed: int) -> IntArray:
    """Return the numbers of the images of every minibatch, ``(minibatches, m)``: as few as have at most `size` images.

    They are equal parts of a seeded permutation; fewer images than there are minibatches are left out.
    """
    count = -(-images // size)
    order = np.random.default_rng([seed, 4]).permutation(images)
    return order[: images // count * count].reshape(count, -1)


def hsic_by_fold(features: Sequence[NDArray[np.floating]], batches: IntArray) -> FloatArray:
    """Return what every fold of images contributes to the HSIC of all pairs of layers, ``(F, L, L)``.

    The mean over folds is HSIC_1, averaged over minibatches. HSIC_1 is a sum over pairs of images; an image has half of
    those that it is in, and a fold F times the sum over its images. Folds are every F-th image of each minibatch.

    Args:
        features: L arrays ``(N, D)`` of the same images in the same order.
        batches: As `minibatches` returns them, at least 4 images each.
    """
    count, size = batches.shape
    folds = min(FOLDS, size)
    sums = np.zeros((folds, len(features), len(features)))
    for batch in batches:
        centred = [_centred(layer[batch]) for layer in features]
        squares = [np.einsum("ij,ij->i", layer, layer) for layer in centred]
        for fold in range(folds):
            members = np.arange(fold, size, folds)
            for start in range(0, len(members), TILE):
                rows = members[start : start + TILE]
                pairs = zip(centred, squares, strict=True)
                tile = np.stack([_u_centred_rows(layer, square, rows).ravel() for layer, square in pairs])
                sums[fold] += tile @ tile.T
    return sums * (folds / (count * size * (size - 3)))


def cka_of(hsic: FloatArray) -> FloatArray:
    """Return the CKA of all pairs of layers, ``(L, L)``; NaN where a layer's HSIC with itself is not positive.

    Args:
        hsic: As `hsic_by_fold` returns it.
    """
    mean = hsic.mean(axis=0)
    return mean / _roots(mean)


def cka_by_fold(hsic: FloatArray) -> FloatArray:
    """Return the CKA of all pairs with the influence of every fold on it, ``(F, L, L)``; their mean is the CKA.

    HSIC is a mean over pairs of images of a product of doubly centred kernels, so that an image moves it by twice what
    its pairs deviate (the projection of a U-statistic of order two; centring adds nothing to first order). With a, b
    and c the HSIC of X and Y, of X and of Y, and a_f, b_f, c_f those of a fold, the delta method gives
    ``CKA + 2 a_f / sqrt(b c) - CKA (b_f / b + c_f / c)``. The variance of these values over F is that of CKA.

    Args:
        hsic: As `hsic_by_fold` returns it.

    References:
        Hampel, "The influence curve and its role in robust estimation", JASA 1974.
        Serfling, "Approximation Theorems of Mathematical Statistics", 1980, section 5.3.
    """
    mean = hsic.mean(axis=0)
    roots, cka = _roots(mean), cka_of(hsic)
    own = np.diagonal(hsic, axis1=1, axis2=2) / np.where(np.diag(mean) > 0, np.diag(mean), np.nan)
    values: FloatArray = cka + 2 * hsic / roots - cka * (own[:, :, None] + own[:, None, :])
    return values


def _roots(mean: FloatArray) -> FloatArray:
    """Return the root of the product of the HSIC of both layers with themselves, ``(L, L)``."""
    own = np.sqrt(np.where(np.diag(mean) > 0, np.diag(mean), np.nan))
    return np.outer(own, own)


def _centred(features: NDArray[np.floating]) -> FloatArray:
    """Return features less their mean; exactly 0 where they are constant, since sums of float32 are exact."""
    centred = features.astype(np.float64)
    centred -= centred.mean(axis=0)
    return centred


def _u_centred_rows(centred: FloatArray, squares: FloatArray, rows: IntArray) -> FloatArray:
    """Return some rows of the U-centred Gram matrix of centred features, ``(len(rows), m)``."""
    size = len(centred)
    gram: FloatArray = centred[rows] @ centred.T
    gram += (squares[rows, None] + squares) / (size - 2) - squares.sum() / ((size - 1) * (size - 2))
    gram[np.arange(len(rows)), rows] = 0
    return gram
