"""Placing labels near their points so that all can be read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

ROUNDS = 300
GAP = 1.12  # boxes are kept this much farther apart than they are large


def spread_labels(anchors: FloatArray, sizes: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return centres of label boxes close to their anchors, apart from each other as far as there is room.

    Overlapping boxes push each other away along the axis on which they overlap less, in small steps, and every box is
    kept inside the panel.

    Args:
        anchors: Where labels would like to be, ``(L, 2)``.
        sizes: Width and height of each box, ``(L, 2)``, in the same unit.
        low: Lower left corner of the panel.
        high: Upper right corner of the panel.
    """
    half = sizes / 2
    inside_low, inside_high = low + half, np.maximum(low + half, high - half)
    centres = np.clip(anchors, inside_low, inside_high)
    for _ in range(ROUNDS):
        difference = centres[:, None] - centres[None]
        wanted = GAP * (half[:, None] + half[None])
        overlap = wanted - np.abs(difference)
        both = np.all(overlap > 0, axis=2) & ~np.eye(len(centres), dtype=bool)
        if not both.any():
            break
        # Labels at one place part by their order.
        order = np.sign(np.arange(len(centres))[:, None] - np.arange(len(centres))[None])
        direction = np.where(difference != 0, np.sign(difference), order[..., None])
        shallow = overlap.argmin(axis=2)[..., None] == np.arange(2)
        push = np.where(both[:, :, None] & shallow, direction * overlap, 0).sum(axis=1)
        centres = np.clip(centres + 0.3 * push, inside_low, inside_high)
    return centres
