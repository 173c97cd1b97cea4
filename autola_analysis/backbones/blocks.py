"""Residual blocks with a place for an attention module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.core.errors import OptionError

Position = Literal["inner", "outer"]
BuildAttention = Callable[[int], nn.Module]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size at stride 1, without bias."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)


class SubsampleAndPad(nn.Module):
    """Shortcut A of He et al. 2016: every second position, the missing channels zero on both sides; no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, out_channels, H / stride, W / stride)``."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def shortcut(in_channels: int, out_channels: int, stride: int, kind: str) -> nn.Module | None:
    """Return what brings a block's input to its output's shape; None where it has it already.

    Raises:
        OptionError: If `kind` is neither "A" (no parameters) nor "B" (1x1 convolution and batch norm).
    """
    if kind not in ("A", "B"):
        raise OptionError(f"shortcut is 'A' (subsample and pad) or 'B' (1x1 convolution); found {kind!r}.")
    if stride == 1 and in_channels == out_channels:
        return None
    if kind == "A":
        return SubsampleAndPad(in_channels, out_channels, stride)
    return nn.Sequential(conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; attention behind the second batch norm, before the addition.

    Args:
        in_channels: Channels of the input.
        planes: Channels of both convolutions and of the output.
        stride: Of the first convolution.
        attention: Builds the attention module for a number of channels.
        shortcut_kind: "A" or "B", see `shortcut`.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, planes: int, stride: int, attention: BuildAttention, shortcut_kind: str = "B"
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.attention = attention(planes)
        self.downsample = shortcut(in_channels, planes, stride, shortcut_kind)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output after its last ReLU."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.attention(self.bn2(self.conv2(out)))
        return self.relu(out + identity)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 convolutions.

    Args:
        in_channels: Channels of the input.
        planes: A quarter of the output's channels.
        inner_planes: Channels of the 3x3 convolution; differs from `planes` in wide networks.
        stride: Of the 3x3 convolution.
        attention: Builds the attention module for a number of channels.
        position: "inner" puts attention behind the 3x3's batch norm and ReLU, "outer" behind the last batch norm.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        planes: int,
        inner_planes: int,
        stride: int,
        attention: BuildAttention,
        position: Position,
    ) -> None:
        super().__init__()
        out_channels = planes * self.expansion
        self.conv1 = conv1x1(in_channels, inner_planes)
        self.bn1 = nn.BatchNorm2d(inner_planes)
        self.conv2 = conv3x3(inner_planes, inner_planes, stride)
        self.bn2 = nn.BatchNorm2d(inner_planes)
        self.conv3 = conv1x1(inner_planes, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.position = position
        self.attention = attention(inner_planes if position == "inner" else out_channels)
        self.downsample = shortcut(in_channels, out_channels, stride, "B")

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output after its last ReLU."""
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        if self.position == "inner":
            out = self.attention(out)
        out = self.bn3(self.conv3(out))
        if self.position == "outer":
            out = self.attention(out)
        return self.relu(out + identity)
