"""Heat maps of joints: what a network is trained towards, and its loss."""

from __future__ import annotations

import torch
from torch import Tensor

SIGMA = 2.0
"""Standard deviation of a joint's peak, in cells"""
REACH = int(3 * SIGMA)
"""Cells on each side of a joint that its peak covers"""


def encode_joints(
    joints: Tensor, labelled: Tensor, size: tuple[int, int], *, ratio: float = 4, exact: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the heat maps that stand for joints, and which of them count.

    Args:
        joints: x and y in pixels of the network's input, whose first pixel is centred at 0, ``(B, J, 2)``.
        labelled: Which joints are labelled, ``(B, J)`` of bool.
        size: Height and width of the maps, in cells.
        ratio: Pixels of a cell.
        exact: Centre the peak at the joint, as DARK does; otherwise at the nearest cell, and cut it to a square of
            13 cells, as SimpleBaseline does, which moves joints by a quarter of a cell on average.

    Returns:
        Maps ``(B, J, H, W)`` with a peak of 1, and which joints are labelled and reach into the map, ``(B, J)``.

    References:
        Xiao, Wu and Wei, "Simple Baselines", ECCV 2018; Zhang et al., "Distribution-Aware Coordinate Representation for
        Human Pose Estimation" (DARK), CVPR 2020.
    """
    height, width = size
    centres = joints / ratio
    cells = (centres + 0.5).trunc()
    limits = joints.new_tensor([width, height])
    counts = labelled & ((cells - REACH < limits) & (cells + REACH + 1 >= 0)).all(-1)
    rows = torch.arange(height, device=joints.device).to(joints)[:, None]
    columns = torch.arange(width, device=joints.device).to(joints)[None]
    x, y = (centres if exact else cells)[..., None, None, :].unbind(-1)
    maps = (-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SIGMA**2)).exp()
    if not exact:
        maps = maps * (((columns - x).abs() <= REACH) & ((rows - y).abs() <= REACH))
    return maps * counts[..., None, None], counts


def heat_map_loss(maps: Tensor, targets: Tensor, counts: Tensor) -> Tensor:
    """Return half the mean squared difference over images, joints and cells; joints that do not count differ by 0.

    Args:
        maps: Of the network, ``(B, J, H, W)``.
        targets: As `encode_joints` returns them, ``(B, J, H, W)``.
        counts: As `encode_joints` returns them, ``(B, J)``.
    """
    return ((maps - targets) * counts[..., None, None]).square().mean() / 2
