"""High order group attention: a small searched graph of gates over channel groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from pathlib import Path

import torch
from torch import Tensor, nn

from autola_analysis.attention.gating import add_output
from autola_analysis.attention.genotype import NODES, RANDOM_WIRING, RELEASED, Genotype, as_genotype
from autola_analysis.attention.memory import for_convolution, with_gradient_for_norm
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.attention.registry import register_attention
from autola_analysis.attention.squeeze_excitation import SqueezeExcitation
from autola_analysis.core.errors import OptionError


def group_channels(channels: int) -> int:
    """Return the channels of one of the four groups.

    Raises:
        OptionError: If the channels do not split into four.
    """
    if channels % NODES:
        raise OptionError(f"HOGA splits its channels into {NODES} groups; {channels} is not a multiple of {NODES}.")
    return channels // NODES


def fusion(channels: int) -> nn.Sequential:
    """Return F, which brings the four nodes and the gated sum of the groups back to ``(B, C, H, W)``."""
    return nn.Sequential(
        nn.Conv2d((NODES + 1) * (channels // NODES), channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


@register_attention("hoga")
class HighOrderGroupAttention(nn.Module):
    """Split the channels into four groups, wire them by a genotype, fuse, and gate the sum with the input.

    With groups x1..x4 and nodes s_i = sum of one operation per incoming edge,
    ``z = [s1; s2; s3; s4; SE_a(x1+x2+x3+x4)]`` and ``y = SE_b(F(z) + x)``.

    Args:
        channels: C of the input ``(B, C, H, W)``, a multiple of 4.
        genotype: The wiring: a `Genotype`, (operation, source) pairs, or the path of a JSON file with such pairs.
        reduction: Of SE_a (on C/4 channels) and SE_b (on C channels); a pair where they differ.
        authors_rounding: Let SE_a have no hidden unit where C/4 < reduction, as in the authors' networks, whose
            gate is then the constant 0.5. New models have at least one.

    Raises:
        OptionError: If `channels` is not a multiple of 4 or the genotype is not possible.

    References:
        Ma et al., "Auto Learning Attention", NeurIPS 2020.
    """

    bottleneck_position = "inner"

    def __init__(
        self,
        channels: int,
        genotype: Genotype | str | Path | Iterable[Sequence[object]] = RELEASED,
        reduction: int | Sequence[int] = 8,
        authors_rounding: bool = False,
    ) -> None:
        super().__init__()
        group = group_channels(channels)
        self.genotype = as_genotype(genotype)
        reduction_a, reduction_b = (reduction, reduction) if isinstance(reduction, int) else reduction
        self.ops = nn.ModuleList(OPERATIONS.get(operation)(group) for operation, _ in self.genotype.edges)
        self.se_a = SqueezeExcitation(group, reduction_a, minimum=0 if authors_rounding else 1)
        self.se_b = SqueezeExcitation(channels, reduction_b)
        self.fuse = fusion(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the attended feature map, shape ``(B, C, H, W)``."""
        groups = tuple(for_convolution(group) for group in x.chunk(NODES, dim=1))
        ops = iter(self.ops)
        states: list[Tensor] = []
        for group, edges in zip(groups, self.genotype.nodes(), strict=True):
            sources = [group, *states]
            state: Tensor | None = None
            for _, source in edges:
                state = add_output(state, next(ops), sources[source])
            assert state is not None
            states.append(state)
        z = torch.cat((*states, self.se_a(reduce(add, groups))), dim=1)
        return self.se_b(x + with_gradient_for_norm(self.fuse(z)))  # x first: the sum takes its memory format


@register_attention(RANDOM_WIRING)
def random_hoga(channels: int, genotype_seed: int = 0, reduction: int = 8) -> HighOrderGroupAttention:
    """HOGA with a seeded random genotype: the control that shows what the search is worth."""
    return HighOrderGroupAttention(channels, Genotype.random(genotype_seed), reduction)
