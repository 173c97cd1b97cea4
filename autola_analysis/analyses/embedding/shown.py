"""Which images the panels of the page show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS = 2000
"""Points of a panel, at most."""


def shown_points(images: int) -> NDArray[np.int64]:
    """Return the numbers of the images that panels show, in the order of drawing: 2,000 at most, drawn at random."""
    # In random order, else the last class would cover the others.
    return np.random.default_rng(0).permutation(images)[:POINTS]
