"""How sharp the minimum is that a search is in: the curvature of the held-out loss in the architecture.

Searches whose largest eigenvalue grows end in wirings that lose when the mixture is replaced by one operation per edge.

References:
    Zela et al., "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from autola_analysis.attention.convolution import differentiated_twice

BATCHES = 4
"""Of images of the architecture's half, the same in every epoch: a change between epochs comes from the search."""
TOLERANCE = 1e-3
"""Relative, of an eigenvalue."""
LANCZOS = 8
"""Vectors that the iteration keeps: it ends after a dozen products, with scipy's twenty never before the twentieth."""
MEANS_OVER, MEANS_APART = 5, 4
"""Measurements that are averaged, and that lie between two averages which are compared."""
SHARPER = 1.3
NOT_BEFORE = 10
"""Epochs."""


def curvature(losses: Sequence[Callable[[Tensor], Tensor]], alpha: Tensor, decay: float) -> float:
    """Return the largest eigenvalue of the Hessian of a mean of losses by alpha, the decay of alpha included.

    The Hessian is the one at this point: the network's kinks (ReLU, maxima) do not add to it. Ten of its eigenvalues,
    one per edge, are the decay itself, since the softmax does not see a constant that is added to a row of alpha.

    Args:
        losses: Scalars as functions of alpha, one per batch; the graph of one is held at a time.
        alpha: ``(10, operations)``; it is not changed.
        decay: Weight decay on alpha, which adds to every eigenvalue.

    Returns:
        The eigenvalue to 0.1%; NaN where Lanczos' iteration does not find it.
    """
    size = alpha.numel()

    def product(direction: NDArray[np.float64]) -> NDArray[np.float64]:
        along = torch.as_tensor(direction, dtype=alpha.dtype, device=alpha.device).view_as(alpha)
        curved = sum((hessian_product(loss, alpha, along) for loss in losses), torch.zeros_like(alpha))
        return np.asarray(curved.flatten().double().cpu()) / len(losses)

    start = np.random.default_rng(0).standard_normal(size)
    try:
        (largest,) = eigsh(
            LinearOperator((size, size), matvec=product, dtype=np.float64),
            k=1,
            which="LA",
            ncv=LANCZOS,
            tol=TOLERANCE,
            v0=start,
            return_eigenvectors=False,
        )
    except ArpackNoConvergence:
        return float("nan")
    return float(largest) + decay


def hessian_product(loss_of: Callable[[Tensor], Tensor], alpha: Tensor, direction: Tensor) -> Tensor:
    """Return the Hessian of a loss by alpha times a direction of alpha's shape."""
    at = alpha.detach().requires_grad_()
    with differentiated_twice():
        loss = loss_of(at)
    (gradient,) = torch.autograd.grad(loss, at, create_graph=True)
    (curved,) = torch.autograd.grad(gradient, at, direction, materialize_grads=True)
    return curved


def sharpened(epochs: Sequence[int], eigenvalues: Sequence[float]) -> tuple[int, int] | None:
    """Return the first epoch in which the minimum has become sharper, and the earlier one it is compared with.

    That is where the mean of the last `MEANS_OVER` measurements exceeds `SHARPER` times the one `MEANS_APART`
    measurements earlier, from epoch `NOT_BEFORE` on; the rule and its numbers are those of Zela et al.'s code. None
    where there is no such epoch.

    Args:
        epochs: After which was measured, from 1 on.
        eigenvalues: One for each.
    """
    ends = list(epochs)[MEANS_OVER - 1 :]
    means = [float(np.mean(eigenvalues[place : place + MEANS_OVER])) for place in range(len(ends))]
    for place in range(MEANS_APART, len(ends)):
        if ends[place] >= NOT_BEFORE and means[place] > SHARPER * means[place - MEANS_APART]:
            return ends[place], ends[place - MEANS_APART]
    return None
