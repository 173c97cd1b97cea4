"""Class selectivity written as in the paper, with loops, in float64."""

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
