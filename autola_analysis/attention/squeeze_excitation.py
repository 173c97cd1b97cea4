"""Squeeze-and-excitation: a gate per channel from its spatial mean."""

from __future__ import annotations

import warnings
from collections import OrderedDict

from torch import Tensor, nn

from autola_analysis.attention.gating import Gating
from autola_analysis.attention.registry import register_attention


def perceptron(channels: int, hidden: int, bias: bool) -> OrderedDict[str, nn.Module]:
    """Return the layers of a two-layer perceptron channels -> hidden -> channels, by name."""
    with warnings.catch_warnings():
        # Without hidden units there is nothing to initialise, and torch says so.
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        return OrderedDict(
            fc1=nn.Linear(channels, hidden, bias=bias),
            relu=nn.ReLU(inplace=True),
            fc2=nn.Linear(hidden, channels, bias=bias),
        )


def hidden_units(channels: int, reduction: int, divisor: int | None = None) -> int:
    """Return ``channels // reduction``, or ``channels / reduction`` rounded to a positive multiple of `divisor`."""
    if divisor is None:
        return channels // reduction
    return max(divisor, int(channels / reduction + divisor / 2) // divisor * divisor)


@register_attention("se")
class SqueezeExcitation(Gating):
    """Scale every channel by ``sigmoid(W2 relu(W1 mean(x)))``.

    Args:
        channels: C of the input ``(B, C, H, W)``.
        reduction: Hidden units are ``channels // reduction``.
        minimum: At least this many hidden units. 0 reproduces networks whose rounding left none: their perceptron
            puts out zeros, so that the gate is the constant 0.5.
        divisor: Round ``channels / reduction`` to the nearest multiple of this, at least one multiple, instead of
            down to an integer; timm's networks have 8.
        bias: Whether both layers have biases, as in timm's networks.

    References:
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """

    bottleneck_position = "outer"

    def __init__(
        self, channels: int, reduction: int = 16, minimum: int = 1, divisor: int | None = None, bias: bool = False
    ) -> None:
        super().__init__()
        hidden = max(minimum, hidden_units(channels, reduction, divisor))
        self.gate = nn.Sequential(OrderedDict(**perceptron(channels, hidden, bias), sigmoid=nn.Sigmoid()))

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` and the gate per channel, ``(B, C, 1, 1)``."""
        return x, self.gate(x.mean((2, 3)))[:, :, None, None]
