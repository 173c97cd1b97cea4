"""What becomes of a layer's maps where an analysis looks at features: a vector per image."""

from __future__ import annotations

import torch
from torch import Tensor

from autola_analysis.analyses.options import Pool
from autola_analysis.core.errors import LayerError


def pooled(activation: Tensor, pool: Pool) -> Tensor:
    """Return an activation as features of its images, a copy in float32, ``(B, D)``.

    Args:
        activation: ``(B, K)`` or ``(B, K, H, W)``; any shape for "flatten".
        pool: "mean" over space, or "flatten".

    Raises:
        LayerError: If the activation has another shape; its sentence begins behind the name of the layer.
    """
    if activation.ndim < 2 or (pool == "mean" and activation.ndim not in (2, 4)):
        raise LayerError(
            f"puts out shape {tuple(activation.shape)}; features need (B, K) or (B, K, H, W), or --pool flatten."
        )
    if pool == "mean" and activation.ndim == 4:
        return activation.mean((2, 3), dtype=torch.float32)
    # What follows the layer may overwrite it in place.
    return activation.flatten(1).to(torch.float32, copy=True)
