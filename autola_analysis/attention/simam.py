"""SimAM: a gate per channel and position from its distance to the channel's mean, without parameters."""

from __future__ import annotations

from torch import Tensor, nn

from autola_analysis.attention.gating import Gating
from autola_analysis.attention.registry import register_attention
from autola_analysis.core.errors import OptionError


@register_attention("simam")
class SimAM(Gating):
    """Scale every value t by ``sigmoid(1 / e)``, e the least energy of a unit among the others of its channel.

    With the mean m and the variance ``v = sum (t - m)^2 / (HW - 1)`` of the channel,
    ``1 / e = (t - m)^2 / (4 (v + lambda)) + 1/2``. A map of a single position has the variance 0.

    Args:
        channels: C of the input ``(B, C, H, W)``, which nothing depends on.
        regularisation: The paper's lambda.

    Raises:
        OptionError: If `regularisation` is not positive.

    References:
        Yang, Zhang, Li and Xie, "SimAM: A Simple, Parameter-Free Attention Module for Convolutional Neural Networks",
        ICML 2021.
    """

    bottleneck_position = "outer"

    def __init__(self, channels: int, regularisation: float = 1e-4) -> None:
        super().__init__()
        if not regularisation > 0:
            raise OptionError(f"regularisation is a positive number; found {regularisation!r}.")
        self.regularisation = regularisation
        self.sigmoid = nn.Sigmoid()

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` and the gate per channel and position, ``(B, C, H, W)``."""
        positions = x.shape[2] * x.shape[3]
        squares = (x - x.mean((2, 3), keepdim=True)).square()
        # A mean, not a sum, which half precision may not hold.
        variance = squares.mean((2, 3), keepdim=True) * (positions / max(positions - 1, 1))
        return x, self.sigmoid(squares / (4 * (variance + self.regularisation)) + 0.5)
