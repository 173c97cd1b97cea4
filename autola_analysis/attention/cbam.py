"""Convolutional block attention: a gate per channel, then a gate per position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autola_analysis.attention.gating import Gating
from autola_analysis.attention.memory import for_convolution, for_reduction
from autola_analysis.attention.registry import register_attention
from autola_analysis.attention.squeeze_excitation import perceptron


def max_and_mean_over_channels(x: Tensor, axis: int = 1) -> Tensor:
    """Return the channel maximum and mean of ``(B, C, H, W)`` as two maps ``(B, 2, H, W)``.

    Args:
        x: The feature map.
        axis: Of its channels, where there are others before them.
    """
    x = for_reduction(x)
    maps = torch.cat((x.amax(axis, keepdim=True), x.mean(axis, keepdim=True)), dim=axis)
    return for_convolution(maps) if maps.requires_grad and maps.ndim == 4 else maps


class ChannelGate(nn.Module):
    """``sigmoid(mlp(mean(x)) + mlp(max(x)))``, one value per channel, shape ``(B, C)``.

    Args:
        channels: C of the input ``(B, C, H, W)``.
        reduction: Hidden units are ``max(1, channels // reduction)``.
        bias: Whether the perceptron has biases.
    """

    def __init__(self, channels: int, reduction: int = 16, bias: bool = True) -> None:
        super().__init__()
        self.mlp = nn.Sequential(perceptron(channels, max(1, channels // reduction), bias))
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate of ``x``, shape ``(B, C)``."""
        x = for_reduction(x)
        return self.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))


class SpatialGate(nn.Module):
    """``sigmoid(BN(conv7x7([max; mean] over channels)))``, one value per position, shape ``(B, 1, H, W)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate of ``x``, shape ``(B, 1, H, W)``."""
        return self.sigmoid(self.bn(self.conv(max_and_mean_over_channels(x))))


@register_attention("cbam")
class CBAM(Gating):
    """Scale every channel, then every position, each by a gate of its own.

    Args:
        channels: C of the input ``(B, C, H, W)``.
        reduction: Hidden units of the channel gate are ``max(1, channels // reduction)``.

    References:
        Woo, Park, Lee and Kweon, "CBAM: Convolutional Block Attention Module", ECCV 2018.
    """

    bottleneck_position = "outer"

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.channel_gate = ChannelGate(channels, reduction)
        self.spatial_gate = SpatialGate()

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` scaled per channel and the gate per position, ``(B, 1, H, W)``."""
        x = x * self.channel_gate(x)[:, :, None, None]
        return x, self.spatial_gate(x)
