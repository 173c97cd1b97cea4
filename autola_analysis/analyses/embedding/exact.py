"""The exact gradient of t-SNE, over all pairs of points, in blocks on any device.

openTSNE asks an objective for the divergence and its gradient; affinities, schedule and start stay its own. Quadratic:
seconds for 10,000 points on a GPU, minutes on a CPU, where Barnes-Hut trees are the faster way.

References:
    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

FloatArray = NDArray[np.float64]

PAIRS = {"cpu": 2**18, "cuda": 2**25}
"""Pairs held at once: on a CPU they stay in its cache, a GPU needs as many to be busy."""


class ExactGradient:
    """An objective for openTSNE.

    With affinities p, ``w_ij = 1 / (1 + |y_i - y_j|^2)`` and Z the sum of w over all ordered pairs of two points, the
    gradient at point i is ``sum_j (p_ij w_ij - w_ij^2 / Z) (y_i - y_j)``: a quarter of the derivative of the
    divergence, as openTSNE has it.

    Args:
        device: "cpu", "cuda", "cuda:1"; it must have float64.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._pairs = PAIRS[self._device.type]

    @torch.inference_mode()
    def __call__(
        self, embedding: FloatArray, P: csr_matrix, should_eval_error: bool = False, **_: Any
    ) -> tuple[float, FloatArray]:
        """Return the divergence, zero where it is not asked for, and the gradient ``(N, 2)``.

        Args:
            embedding: Positions ``(N, 2)``.
            P: Affinities, exaggerated or not.
            should_eval_error: Whether the divergence is asked for.
        """
        y = self._on(np.asarray(embedding))
        repulsion, normalisation = self._repulsion(y)
        counts, columns, p = (self._on(values) for values in (np.diff(P.indptr), P.indices, P.data))
        difference = y.repeat_interleave(counts, dim=0) - y[columns.long()]
        squared = difference.square().sum(1)
        pull = (p / (1 + squared))[:, None] * difference
        # Not index_add, which adds in any order on a GPU.
        attraction = torch.segment_reduce(pull, "sum", lengths=counts.long(), axis=0, unsafe=True)
        gradient = attraction - repulsion / normalisation
        error = 0.0
        if should_eval_error:
            linked = p > 0
            logs = (p[linked] * (1 + squared[linked])).log()
            error = float((p[linked] * logs).sum() + p.sum() * normalisation.log())
        return error, gradient.cpu().numpy()

    def _repulsion(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``sum_j w_ij^2 (y_i - y_j)`` for every point, ``(N, 2)``, and the sum of all w."""
        across, down = y.T.contiguous()
        result, total = torch.empty_like(y), y.new_zeros(())
        step = max(1, self._pairs // len(y))
        for start in range(0, len(y), step):
            part = slice(start, start + step)
            x_apart, y_apart = across[part, None] - across, down[part, None] - down
            w = (1 + x_apart.square() + y_apart.square()).reciprocal_()
            total += w.sum()
            w.square_()
            result[part, 0] = x_apart.mul_(w).sum(1)
            result[part, 1] = y_apart.mul_(w).sum(1)
        return result, total - len(y)  # a point and itself: 1 each

    def _on(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
