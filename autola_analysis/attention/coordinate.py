"""Coordinate attention: a gate per channel and row, and one per channel and column."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from autola_analysis.attention.gating import Gating
from autola_analysis.attention.registry import register_attention
from autola_analysis.attention.squeeze_excitation import hidden_units


@register_attention("coordinate")
class CoordinateAttention(Gating):
    """Scale by ``sigmoid(conv(f_h))`` per row and ``sigmoid(conv(f_w))`` per column.

    The means over columns and over rows go side by side through one 1x1 convolution, batch norm and h-swish; f_h and
    f_w are the two parts of what comes out. All convolutions have biases.

    Args:
        channels: C of the input ``(B, C, H, W)``.
        reduction: Hidden channels are ``channels // reduction``.
        minimum: At least this many hidden channels.

    References:
        Hou, Zhou and Feng, "Coordinate Attention for Efficient Mobile Network Design", CVPR 2021.
    """

    bottleneck_position = "outer"

    def __init__(self, channels: int, reduction: int = 32, minimum: int = 8) -> None:
        super().__init__()
        hidden = max(minimum, hidden_units(channels, reduction))
        self.conv = nn.Conv2d(channels, hidden, 1)
        self.bn = nn.BatchNorm2d(hidden)
        self.activation = nn.Hardswish(inplace=True)
        self.height_gate = _gate(hidden, channels)
        self.width_gate = _gate(hidden, channels)

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` scaled per row and the gate per column, ``(B, C, 1, W)``."""
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True)
        pooled = torch.cat((rows, columns.transpose(2, 3)), dim=2)
        hidden = self.activation(self.bn(self.conv(pooled)))
        of_rows, of_columns = hidden.split(x.shape[2:], dim=2)
        return x * self.height_gate(of_rows), self.width_gate(of_columns.transpose(2, 3))


def _gate(hidden: int, channels: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(hidden, channels, 1), sigmoid=nn.Sigmoid()))
