"""The module that a search for HOGA's wiring trains: every edge is a weighted sum of all operations.

With weights ``p`` of shape ``(10, operations)``, rows in the order of `STANDARD_EDGES` and columns in that of
`OPERATIONS`, an edge is ``m(x) = sum_k p_k o_k(x)``. All operations multiply their input by a gate, so that
``m(x) = x G(x)`` with one gate ``G = sum_k p_k g_k``; the edges that leave a source are evaluated together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from autola_analysis.attention.candidates import CANDIDATES, Candidate, SourceMaps
from autola_analysis.attention.genotype import EDGES, NODES, edge_row
from autola_analysis.attention.hoga import fusion, group_channels
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.attention.registry import register_attention
from autola_analysis.attention.squeeze_excitation import SqueezeExcitation
from autola_analysis.core.errors import OptionError

SEARCH_REDUCTION = (4, 16)
"""Of SE_a and SE_b in the authors' search network."""
Mixture = Callable[[], Tensor] | Sequence[Sequence[float]]


def wave_rows(source: int) -> tuple[int, ...]:
    """Return the rows of the edges that leave a source, 0 for the groups and j for the node s_j, by their nodes."""
    return tuple(edge_row(node, source) for node in range(source + 1, NODES + 1))


class Wave(nn.Module):
    """All operations on all edges that leave one source; an operation is a part of its name.

    Args:
        edges: E.
        channels: c of one group.
    """

    def __init__(self, edges: int, channels: int) -> None:
        super().__init__()
        self.edges = edges
        self._columns: dict[str, int] = {}
        for column, name in enumerate(OPERATIONS):
            if name in CANDIDATES:
                operation: nn.Module | None = CANDIDATES.get(name)(edges, channels)
            else:
                operation = nn.ModuleList(OPERATIONS.get(name)(channels) for _ in range(edges))
            if operation is not None:
                self.add_module(name, operation)
                self._columns[name] = column

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the mixed edges.

        Args:
            x: ``(B, E, c, H, W)``, an input for each edge, or ``(B, 1, c, H, W)``, one for all.
            weights: ``(E, operations)``.

        Returns:
            ``(B, E, c, H, W)``.
        """
        source = SourceMaps(x, self.edges)
        gates: dict[tuple[bool, ...], Tensor] = {}
        products: list[tuple[Tensor, Tensor]] = []
        others: list[Tensor] = []
        for name, column in self._columns.items():
            operation = self.get_submodule(name)
            weight = weights[:, column].view(1, -1, 1, 1, 1)
            if not isinstance(operation, Candidate):
                others.append(weight * self._edge_by_edge(operation, x))
                continue
            factors = operation(source)
            if len(factors) == 2:
                products.append((weight * factors[0], factors[1]))
                continue
            # Gates of one shape are added up before they are spread over a feature map.
            shape = tuple(size == 1 for size in factors[0].shape[2:])
            gates[shape] = weight * factors[0] if shape not in gates else gates[shape] + weight * factors[0]
        gate: Tensor | None = None
        for shape in sorted(gates):
            gate = gates[shape] if gate is None else gate + gates[shape]
        for first, second in products:
            gate = first * second if gate is None else torch.addcmul(gate, first, second)
        outputs = others if gate is None else [x * gate, *others]
        return torch.stack(outputs).sum(0) if len(outputs) > 1 else outputs[0]

    def _edge_by_edge(self, operations: nn.Module, x: Tensor) -> Tensor:
        inputs = x.expand(-1, self.edges, -1, -1, -1).unbind(1)
        return torch.stack([each(one) for each, one in zip(operations.children(), inputs, strict=True)], 1)


@register_attention("hoga-search")
class HogaSearch(nn.Module):
    """HOGA with every operation on every edge, weighted: the module in which a wiring is searched.

    With groups x1..x4, nodes s_i = sum of one mixed edge per source (x_i and all earlier nodes),
    ``z = [s1; s2; s3; s4; SE_a(x1+x2+x3+x4)]`` and ``y = SE_b(F(z) + x)``, as in `HighOrderGroupAttention`.

    Args:
        channels: C of the input ``(B, C, H, W)``, a multiple of 4.
        mixture: The weights ``(10, operations)``: a function that returns them, or numbers. None weighs all operations
            alike.
        reduction: Of SE_a (on C/4 channels) and SE_b (on C channels).

    Raises:
        OptionError: If `channels` is not a multiple of 4, or the weights have another shape.

    References:
        Ma et al., "Auto Learning Attention", NeurIPS 2020; Liu et al., "DARTS", ICLR 2019.
    """

    bottleneck_position = "inner"

    def __init__(
        self, channels: int, mixture: Mixture | None = None, reduction: Sequence[int] = SEARCH_REDUCTION
    ) -> None:
        super().__init__()
        group = group_channels(channels)
        # In a tuple: a function that is a module itself must not be registered once more in every block.
        self._mixture = (mixture,) if callable(mixture) else ()
        self.register_buffer("_weights", None if callable(mixture) else fixed_weights(mixture), persistent=False)
        self.waves = nn.ModuleList(Wave(NODES - source, group) for source in range(NODES))
        self.se_a = SqueezeExcitation(group, reduction[0])
        self.se_b = SqueezeExcitation(channels, reduction[1])
        self.fuse = fusion(channels)

    def mixture(self) -> Tensor:
        """Return the weights of the operations, ``(10, operations)``."""
        return self._mixture[0]() if self._mixture else self.get_buffer("_weights")

    def forward(self, x: Tensor) -> Tensor:
        """Return the attended feature map, shape ``(B, C, H, W)``."""
        groups = torch.unflatten(x, 1, (NODES, -1))
        states = self.nodes(groups)
        z = torch.cat((*states, self.se_a(groups.sum(1))), dim=1)
        return self.se_b(x + self.fuse(z))

    def nodes(self, groups: Tensor) -> list[Tensor]:
        """Return s1 to s4, each ``(B, c, H, W)``, of the groups ``(B, 4, c, H, W)``."""
        weights = self.mixture()
        sums = self.waves[0](groups, weights[list(wave_rows(0))])
        states = [sums[:, 0]]
        for source in range(1, NODES):
            sums = sums[:, 1:] + self.waves[source](states[-1].unsqueeze(1), weights[list(wave_rows(source))])
            states.append(sums[:, 0])
        return states


def fixed_weights(rows: Sequence[Sequence[float]] | None) -> Tensor:
    """Return rows of numbers as weights ``(10, operations)``; the same number everywhere for None.

    Raises:
        OptionError: If there are more or fewer numbers than edges and operations.
    """
    shape = (EDGES, len(OPERATIONS.names()))
    if rows is None:
        return torch.full(shape, 1 / shape[1])
    found = {len(row) for row in rows}
    if len(rows) != shape[0] or found != {shape[1]}:
        raise OptionError(
            f"a mixture has {shape[0]} rows, one per edge, of {shape[1]} weights, one per operation; found {len(rows)} "
            f"rows of {', '.join(map(str, sorted(found)))}."
        )
    return torch.tensor(rows, dtype=torch.get_default_dtype())
