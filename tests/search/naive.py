"""The mixed module as its definition reads: every operation on every edge is evaluated, and all outputs are added."""

import torch
from torch import Tensor, nn

from autola_analysis.attention import Genotype, HogaSearch
from autola_analysis.attention.genotype import STANDARD_EDGES, edge_row
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.search.inherit import edge_state


def one_hot(genotype: Genotype) -> list[list[float]]:
    """The weights that leave nothing but a wiring; an edge that stands in it twice counts twice."""
    names = OPERATIONS.names()
    rows = [[0.0] * len(names) for _ in range(10)]
    for node, edges in enumerate(genotype.nodes(), start=1):
        for operation, source in edges:
            rows[edge_row(node, source)][names.index(operation)] += 1
    return rows


class EdgeByEdge(nn.Module):
    """The parts and weights of a `HogaSearch`, with one module of `OPERATIONS` per edge and operation.

    Batch norms have scale and shift, which start at one and zero, unless `affine` is False; that of CBAM's always has.
    """

    def __init__(self, module: HogaSearch, affine: bool = True) -> None:
        super().__init__()
        self.mixture = module.mixture
        self.se_a, self.se_b, self.fuse = module.se_a, module.se_b, module.fuse
        group = module.se_a.gate.fc1.in_features
        self.ops = nn.ModuleList(
            nn.ModuleList(OPERATIONS.get(name)(group) for name in OPERATIONS) for _ in STANDARD_EDGES
        )
        self.to(next(module.parameters()).dtype)
        for (node, source), operations in zip(STANDARD_EDGES, self.ops, strict=True):
            for name, operation in zip(OPERATIONS, operations, strict=True):
                operation.load_state_dict(edge_state(module.waves[source], node - source - 1, name, group))
                for part in operation.modules():
                    if isinstance(part, nn.BatchNorm2d) and name != "CBAM" and not affine:
                        part.affine, part.weight, part.bias = False, None, None

    def forward(self, x: Tensor) -> Tensor:
        weights = self.mixture()
        groups = x.chunk(4, dim=1)
        states: list[Tensor] = []
        for node in range(1, 5):
            state = torch.zeros_like(groups[0])
            for row, (target, source) in enumerate(STANDARD_EDGES):
                if target != node:
                    continue
                read = groups[node - 1] if source == 0 else states[source - 1]
                for column, operation in enumerate(self.ops[row]):
                    state = state + weights[row, column] * operation(read)
            states.append(state)
        z = torch.cat((*states, self.se_a(groups[0] + groups[1] + groups[2] + groups[3])), 1)
        return self.se_b(x + self.fuse(z))
