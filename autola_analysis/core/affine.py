"""Affine maps of the plane: where a point of one picture is in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Affine:
    """A map ``p -> A p + b`` between pixels of two pictures; the centre of the first pixel is 0.

    Attributes:
        matrix: A and b, ``(2, 3)``.
    """

    matrix: Floats

    def __call__(self, points: Floats) -> Floats:
        """Return where points ``(..., 2)`` lie in the other picture."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2])

    def inverse(self) -> Self:
        """Return the map back."""
        back = np.linalg.inv(self.matrix[:, :2])
        return type(self)(np.concatenate([back, -back @ self.matrix[:, 2:]], 1))

    def after(self, first: Self) -> Self:
        """Return the map that is another one first, and then this."""
        a, b = self.matrix[:, :2], self.matrix[:, 2:]
        return type(self)(np.concatenate([a @ first.matrix[:, :2], a @ first.matrix[:, 2:] + b], 1))

    @property
    def scale(self) -> float:
        """Root of how many times larger areas become."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))
