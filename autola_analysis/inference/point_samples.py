"""Values of feature maps at points, between the centres of their cells."""

from __future__ import annotations

import torch
from torch import Tensor


def point_samples(activation: Tensor, points: Tensor) -> Tensor:
    """Return every channel at some points, bilinear between cells, ``(n, K)``, float32.

    Cell i is centred at ``i + 0.5`` cells; beyond the outermost centres the map goes on as it is there.

    Args:
        activation: Maps of one image, ``(K, H, W)``.
        points: x and y in shares of the maps' width and height, ``(n, 2)``.
    """
    height, width = activation.shape[-2:]
    across, down = (
        _weights(points[:, axis].to(torch.float64), cells).to(activation.device)
        for axis, cells in enumerate((width, height))
    )
    with torch.autocast(activation.device.type, enabled=False):
        by_column = activation.to(torch.float32) @ across.T
        return torch.einsum("nh,khn->nk", down, by_column)


def _weights(shares: Tensor, cells: int) -> Tensor:
    """Return the weight of each of some equal cells for points on an axis ``(n,)``, ``(n, cells)``, float32."""
    places = (shares * cells - 0.5).clamp(0, cells - 1)
    apart = (places[:, None] - torch.arange(cells, dtype=torch.float64)).abs()
    return (1 - apart).clamp(min=0).to(torch.float32)
