"""Efficient channel attention: a gate per channel from the means of its neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from autola_analysis.attention.gating import Gating
from autola_analysis.attention.registry import register_attention
from autola_analysis.core.errors import OptionError

KernelSize = int | Sequence[Sequence[int]] | None


def kernel_size_of(channels: int, gamma: float = 2, b: float = 1) -> int:
    """Return the odd number next to ``log2(C) / gamma + b / gamma``, the larger one of two, as the authors' code."""
    size = int(abs((math.log2(channels) + b) / gamma))
    return size if size % 2 else size + 1


@register_attention("eca")
class EfficientChannelAttention(Gating):
    """Scale every channel by ``sigmoid(conv1d(mean(x)))``, the convolution over channels in their order.

    Args:
        channels: C of the input ``(B, C, H, W)``.
        kernel_size: Neighbours that a gate is made of, an odd number; pairs (channels, size) where it differs between
            stages, as in the authors' networks; None takes `kernel_size_of` the channels.

    Raises:
        OptionError: If the kernel's size is not odd, or there is none for so many channels.

    References:
        Wang et al., "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks", CVPR 2020.
    """

    bottleneck_position = "outer"

    def __init__(self, channels: int, kernel_size: KernelSize = None) -> None:
        super().__init__()
        size = _chosen(kernel_size, channels)
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)
        self.sigmoid = nn.Sigmoid()

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` and the gate per channel, ``(B, C, 1, 1)``."""
        means = x.mean((2, 3)).unsqueeze(1)
        return x, self.sigmoid(self.conv(means).squeeze(1))[:, :, None, None]


def _chosen(kernel_size: KernelSize, channels: int) -> int:
    if kernel_size is None:
        return kernel_size_of(channels)
    sizes = {channels: kernel_size} if isinstance(kernel_size, int) else {each[0]: each[1] for each in kernel_size}
    if channels not in sizes:
        raise OptionError(
            f"kernel_size holds no size for {channels} channels, only for {', '.join(map(str, sizes))}; give a pair "
            "(channels, size) for each."
        )
    if sizes[channels] < 1 or sizes[channels] % 2 == 0:
        raise OptionError(f"kernel_size is an odd number from 1 on; found {sizes[channels]}.")
    return sizes[channels]
