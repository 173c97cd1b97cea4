"""Means of feature maps over boxes, each cell weighted by how much of the box lies in it."""

from __future__ import annotations

import torch
from torch import Tensor


def box_means(activation: Tensor, boxes: Tensor) -> Tensor:
    """Return the mean of every channel over some boxes, ``(n, K)``, float32.

    The weight of a cell is the share of the box that lies in it. It is a product of a share of rows and one of columns,
    so that all boxes of an image cost two products of matrices and no mask::

        mean_k = sum over rows i and columns j of down_i across_j A_k[i, j]

    Args:
        activation: Maps of one image, ``(K, H, W)``.
        boxes: x1, y1, x2, y2 in shares of the maps' width and height, 0 to 1, each of some area, ``(n, 4)``.
    """
    height, width = activation.shape[-2:]
    boxes = boxes.to(torch.float64)
    down, across = shares(boxes[:, [1, 3]], height), shares(boxes[:, [0, 2]], width)
    with torch.autocast(activation.device.type, enabled=False):
        by_column = activation.to(torch.float32) @ across.T.to(activation.device)
        return torch.einsum("nh,khn->nk", down.to(activation.device), by_column)


def shares(sides: Tensor, cells: int) -> Tensor:
    """Return the share of every interval that lies in each of some equal cells from 0 to 1, ``(n, cells)``, float32.

    Args:
        sides: Lower and upper end of the intervals, ``(n, 2)``, float64.
        cells: Number of cells.
    """
    edges = torch.arange(cells + 1, dtype=torch.float64) / cells
    low, high = sides[:, :1], sides[:, 1:]
    inside = (torch.minimum(high, edges[1:]) - torch.maximum(low, edges[:-1])).clamp(min=0)
    return (inside / (high - low)).to(torch.float32)
