"""Squeeze-and-excitation: a gate per channel from its spatial mean."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn
from torch.nn.utils import skip_init

from autola_analysis.attention.registry import register_attention


def perceptron(channels: int, hidden: int, bias: bool) -> OrderedDict[str, nn.Module]:
    """Return the layers of a two-layer perceptron channels -> hidden -> channels, by name."""
    # Without hidden units there is nothing to initialise, and torch warns when it tries.
    linear = partial(nn.Linear, bias=bias) if hidden else partial(skip_init, nn.Linear, bias=bias)
    return OrderedDict(fc1=linear(channels, hidden), relu=nn.ReLU(inplace=True), fc2=linear(hidden, channels))


@register_attention("se")
class SqueezeExcitation(nn.Module):
    """Scale every channel by ``sigmoid(W2 relu(W1 mean(x)))``.

    Args:
        channels: C of the input ``(B, C, H, W)``.
        reduction: Hidden units are ``channels // reduction``.
        minimum: At least this many hidden units. 0 reproduces networks whose rounding left none: their perceptron
            puts out zeros, so that the gate is the constant 0.5.

    References:
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """

    bottleneck_position = "outer"

    def __init__(self, channels: int, reduction: int = 16, minimum: int = 1) -> None:
        super().__init__()
        hidden = max(minimum, channels // reduction)
        self.gate = nn.Sequential(OrderedDict(**perceptron(channels, hidden, bias=False), sigmoid=nn.Sigmoid()))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` scaled per channel, shape ``(B, C, H, W)``."""
        return x * self.gate(x.mean((2, 3)))[:, :, None, None]
