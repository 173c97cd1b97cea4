"""Class selectivity written as in the paper, with loops, in float64."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def naive_selectivity(activations: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the index of every unit from activations ``(N, K)`` or ``(N, K, H, W)``; NaN for dead units."""
    activity = activations.astype(np.float64)
    if activity.ndim == 4:
        activity = activity.mean((2, 3))
    values = []
    for unit in range(activity.shape[1]):
        means = [
            np.mean([a for a, y in zip(activity[:, unit], labels, strict=True) if y == c]) for c in sorted(set(labels))
        ]
        best = int(np.argmax(means))
        rest = float(np.mean([m for c, m in enumerate(means) if c != best]))
        values.append((means[best] - rest) / (means[best] + rest) if means[best] + rest > 0 else np.nan)
    return np.array(values)


def naive_means(
    activations: NDArray[np.floating], labels: NDArray[np.int64], folds: NDArray[np.int64], kept: Sequence[int]
) -> tuple[float, float, NDArray[np.float64]]:
    """Return plain mean, corrected mean and means without each fold of the images in some folds."""

    def mean(chosen: NDArray[np.bool_]) -> float:
        return float(np.nanmean(naive_selectivity(activations[chosen], labels[chosen])))

    inside = np.isin(folds, kept)
    plain = mean(inside)
    without = np.array([mean(inside & (folds != fold)) for fold in kept])
    return plain, len(kept) * plain - (len(kept) - 1) * float(np.mean(without)), without


def naive_blocks(
    activations: NDArray[np.floating], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return a value per fold: corrected mean plus stretched deviations of the jackknife."""
    count = int(folds.max()) + 1
    _, corrected, without = naive_means(activations, labels, folds, range(count))
    deviations = [(count - 1) * (np.mean(without) - each) for each in without]
    error = sum(each**2 for each in deviations) / (count * (count - 1))
    generator = np.random.default_rng(count)
    added = []
    for _ in range(5):
        order = generator.permutation(count)
        first, second = order[: count // 2], order[count // 2 :]
        one, other = (naive_means(activations, labels, folds, half) for half in (first, second))
        scale = len(first) * len(second) / count**2
        added.append(scale * ((one[1] - other[1]) ** 2 - (one[0] - other[0]) ** 2))
    stretch = np.sqrt((error + max(0.0, float(np.mean(added)))) / error)
    return np.array([corrected + stretch * each for each in deviations])
