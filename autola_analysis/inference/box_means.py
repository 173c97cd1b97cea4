"""Means of feature maps over boxes and masks, each cell weighted by how much of these lies in it."""

from __future__ import annotations

from collections.abc import Sequence

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


def mask_means(activation: Tensor, masks: Sequence[Tensor], filled: tuple[float, float]) -> Tensor:
    """Return the mean of every channel over some masks, ``(n, K)``, float32; NaN over an empty one.

    Args:
        activation: Maps of one image, ``(K, H, W)``.
        masks: Of the whole image, ``(height, width)`` each, of any resolution.
        filled: Shares of the maps' width and height that the image fills, from the upper left.
    """
    weights = torch.stack([_cells_of(mask, activation.shape[-2:], filled) for mask in masks]).to(activation.device)
    with torch.autocast(activation.device.type, enabled=False):
        return torch.einsum("nhw,khw->nk", weights, activation.to(torch.float32))


def _cells_of(mask: Tensor, cells: Sequence[int], filled: tuple[float, float]) -> Tensor:
    """Return the share of a mask that lies in every cell, ``(H, W)``."""
    across, down = filled
    of_rows, of_columns = (
        shares(torch.stack([edges[:-1], edges[1:]], 1), count)
        for edges, count in (
            (torch.linspace(0, share, side + 1, dtype=torch.float64), count)
            for share, side, count in zip((down, across), mask.shape, cells, strict=True)
        )
    )
    inside = of_rows.T @ mask.to(torch.float32) @ of_columns
    return inside / inside.sum()


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
