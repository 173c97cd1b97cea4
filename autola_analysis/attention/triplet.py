"""Triplet attention: the mean of three gates, each of which sees all but one of channels, rows and columns."""

from __future__ import annotations

from torch import Tensor

from autola_analysis.attention.cbam import SpatialGate, max_and_mean_over_channels
from autola_analysis.attention.gating import Gating
from autola_analysis.attention.registry import register_attention


class AxisGate(SpatialGate):
    """``sigmoid(BN(conv7x7([max; mean] over an axis)))``, one value for each place in the other two axes.

    Args:
        axis: Of the input ``(B, C, H, W)``: 2 or 3; over channels it is a `SpatialGate`.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate of ``x``, ``(B, C, 1, W)`` or ``(B, C, H, 1)``."""
        maps = max_and_mean_over_channels(x, self.axis).transpose(1, self.axis)
        # Turned back before the sigmoid, whose output is watched as the gate: channels are units there, too.
        return self.sigmoid(self.bn(self.conv(maps)).transpose(1, self.axis))


@register_attention("triplet")
class TripletAttention(Gating):
    """Scale by the mean of a gate per channel and column, one per channel and row, and one per position.

    Args:
        channels: C of the input ``(B, C, H, W)``, which nothing depends on.

    References:
        Misra, Nalamada, Arasanipalai and Hou, "Rotate to Attend: Convolutional Triplet Attention Module", WACV 2021.
    """

    bottleneck_position = "outer"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel_width_gate = AxisGate(2)
        self.channel_height_gate = AxisGate(3)
        self.spatial_gate = SpatialGate()

    def gates(self) -> list[str]:
        """Return the submodules whose outputs are gates; nothing but their mean is multiplied with the input."""
        return ["channel_width_gate", "channel_height_gate", "spatial_gate"]

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` and the mean of the gates, ``(B, C, H, W)``."""
        return x, (self.channel_width_gate(x) + self.channel_height_gate(x) + self.spatial_gate(x)) / 3
