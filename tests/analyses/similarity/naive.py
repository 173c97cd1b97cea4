"""HSIC and CKA written as in the papers, one number at a time."""

import numpy as np


def naive_hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. 2012, equation 5, with linear kernels."""
    m = len(x)
    k, l = (np.array([[0.0 if i == j else a[i] @ a[j] for j in range(m)] for i in range(m)]) for a in (x, y))  # noqa: E741
    ones = np.ones(m)
    total = np.trace(k @ l) + (ones @ k @ ones) * (ones @ l @ ones) / ((m - 1) * (m - 2))
    return float((total - 2 / (m - 2) * (ones @ k @ l @ ones)) / (m * (m - 3)))


def naive_cka(x: np.ndarray, y: np.ndarray, batches: np.ndarray | None = None) -> float:
    """Nguyen et al. 2021, equation 3: HSIC averaged over minibatches."""
    batches = np.arange(len(x))[None] if batches is None else batches
    cross, own, other = (
        np.mean([naive_hsic(a[batch].astype(float), b[batch].astype(float)) for batch in batches])
        for a, b in ((x, y), (x, x), (y, y))
    )
    return float(cross / np.sqrt(own * other))


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Kornblith et al. 2019, equation for a linear kernel, of centred features."""
    x, y = x - x.mean(0), y - y.mean(0)
    return float((np.square(x.T @ y).sum()) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))
