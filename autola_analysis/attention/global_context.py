"""Global context: one vector, pooled where a learnt map says, is transformed and added at every position."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from autola_analysis.attention.registry import register_attention
from autola_analysis.attention.squeeze_excitation import hidden_units


@register_attention("global-context")
class GlobalContext(nn.Module):
    """Add ``W2 relu(LN(W1 c))`` to every position, c the mean of all positions weighted by ``softmax(w x)``.

    It multiplies no feature map by a gate: the softmax says how much a position counts, and sums to one over them. A
    new module adds nothing, since W2 begins at zero.

    Args:
        channels: C of the input ``(B, C, H, W)``.
        reduction: Hidden units are ``channels // reduction``.
        minimum: At least this many hidden units: the layer norm of one is a constant, and that of two holds a sign.

    References:
        Cao, Xu, Lin, Wei and Hu, "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond", ICCV 2019
        workshops.
    """

    bottleneck_position = "outer"

    def __init__(self, channels: int, reduction: int = 16, minimum: int = 4) -> None:
        super().__init__()
        hidden = max(minimum, hidden_units(channels, reduction))
        # In one dimension, so that the backbone does not draw its weights: those of a convolution to a single map
        # would be so large that the softmax chose one position.
        self.mask = nn.Conv1d(channels, 1, 1)
        nn.init.kaiming_normal_(self.mask.weight)
        last = nn.Linear(hidden, channels)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.transform = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(channels, hidden), norm=nn.LayerNorm(hidden), relu=nn.ReLU(inplace=True), fc2=last
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with the transformed context added, shape ``(B, C, H, W)``."""
        positions = x.flatten(2)
        weights = self.mask(positions).softmax(2)
        context = (positions @ weights.transpose(1, 2)).squeeze(2)
        return x + self.transform(context)[:, :, None, None]
