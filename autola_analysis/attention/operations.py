"""The operations on the edges of a HOGA module, each ``(B, c, H, W) -> (B, c, H, W)``.

Apart from ``none`` and ``skip_connect`` every operation is a multiplicative gate, ``x * sigmoid(f(x))``; its gate is a
submodule that ends in a Sigmoid. The names are those of the genotypes that the AutoLA authors released.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from autola_analysis.attention.cbam import CBAM, ChannelGate, max_and_mean_over_channels
from autola_analysis.attention.gating import Gating
from autola_analysis.attention.memory import trained_norm
from autola_analysis.attention.squeeze_excitation import SqueezeExcitation
from autola_analysis.core.registry import Registry

OPERATIONS: Registry[Callable[[int], nn.Module]] = Registry("HOGA operation")


def _depthwise(channels: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False)


def _pointwise(channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, 1, bias=False)


def _separable_twice(channels: int, out_channels: int) -> list[nn.Module]:
    return [
        _depthwise(channels),
        _pointwise(channels, channels),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        _depthwise(channels),
        _pointwise(channels, out_channels),
        nn.BatchNorm2d(out_channels),
    ]


class GateStack(nn.Sequential):
    """Layers in a row, each with its input in the memory that it is trained fast in, see `memory`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the last layer."""
        for layer in self:
            x = trained_norm(layer, x) if self.training and isinstance(layer, nn.BatchNorm2d) else layer(x)
        return x


class Zero(nn.Module):
    """The operation ``none``: no information passes."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros like ``x``."""
        return torch.zeros_like(x)


class ConvolutionalGate(Gating):
    """``x * sigmoid(f(x))`` with f a stack of convolutions that keeps the shape ``(B, c, H, W)``."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.gate = GateStack(*layers, nn.Sigmoid())

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` and the gate per channel and position, ``(B, c, H, W)``."""
        return x, self.gate(x)


class SpatialConvolutionalGate(Gating):
    """``x * sigmoid(f([max; mean] over channels))`` with f putting out one map ``(B, 1, H, W)``."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.gate = GateStack(*layers, nn.Sigmoid())

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` and the gate per position, ``(B, 1, H, W)``."""
        return x, self.gate(max_and_mean_over_channels(x))


class MeanMaxChannelGate(Gating):
    """``x * sigmoid(mlp(mean(x)) + mlp(max(x)))``, the perceptron without bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = ChannelGate(channels, reduction=4, bias=False)

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` and the gate per channel, ``(B, c, 1, 1)``."""
        return x, self.gate(x)[:, :, None, None]


OPERATIONS.register("none")(lambda channels: Zero())
OPERATIONS.register("skip_connect")(lambda channels: nn.Identity())
OPERATIONS.register("sep_conv_3x3")(lambda channels: ConvolutionalGate(_separable_twice(channels, channels)))
OPERATIONS.register("dil_conv_3x3")(
    lambda channels: ConvolutionalGate(
        [_depthwise(channels, dilation=2), _pointwise(channels, channels), nn.BatchNorm2d(channels)]
    )
)
OPERATIONS.register("sep_conv_3x3_spatial")(lambda channels: SpatialConvolutionalGate(_separable_twice(2, 1)))
OPERATIONS.register("dil_conv_3x3_spatial")(
    lambda channels: SpatialConvolutionalGate(
        [nn.Conv2d(2, 1, 3, padding=2, dilation=2, bias=False), _pointwise(1, 1), nn.BatchNorm2d(1)]
    )
)
OPERATIONS.register("SE")(lambda channels: SqueezeExcitation(channels, reduction=4))
OPERATIONS.register("SE_A_M")(MeanMaxChannelGate)
OPERATIONS.register("CBAM")(lambda channels: CBAM(channels, reduction=4))
