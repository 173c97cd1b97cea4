"""What a classifier predicts for every image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Predictions:
    """Predictions of one network, in the order of the images.

    Attributes:
        labels: Label in the data, ``(N,)``.
        predicted: Number of the output with the highest logit, ``(N,)``.
        confidence: Softmax probability of that output, ``(N,)``, float32.
        ranks: Number of outputs with a higher logit than the label's, ``(N,)``: 0 for a correct prediction; None where
            the labels do not number the outputs.
        nll: Negative log likelihood of the label in nats, ``(N,)``, float32; None where `ranks` is.
    """

    labels: IntArray
    predicted: IntArray
    confidence: NDArray[np.float32]
    ranks: IntArray | None = None
    nll: NDArray[np.float32] | None = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, without those that are None."""
        return {name: array for name, array in vars(self).items() if array is not None}

    def confusion(self, classes: int, outputs: int) -> NDArray[np.int64]:
        """Return the number of images per label (row) and prediction (column), ``(classes, outputs)``."""
        cells = self.labels.astype(np.int64) * outputs + self.predicted
        return np.bincount(cells, minlength=classes * outputs).astype(np.int64).reshape(classes, outputs)
