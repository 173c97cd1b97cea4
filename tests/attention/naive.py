"""HOGA as its definition reads: every operation is called, and everything is added up one after the other."""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from autola_analysis.attention import Genotype, HighOrderGroupAttention
from autola_analysis.attention.operations import OPERATIONS


def naive_forward(hoga: HighOrderGroupAttention, x: Tensor) -> Tensor:
    groups = x.chunk(4, dim=1)
    states: list[Tensor] = []
    edge = 0
    for node in range(4):
        state = torch.zeros_like(groups[node])
        for _ in range(node + 1):
            source = hoga.genotype.edges[edge][1]
            state = state + hoga.ops[edge](groups[node] if source == 0 else states[source - 1])
            edge += 1
        states.append(state)
    z = torch.cat((*states, hoga.se_a(groups[0] + groups[1] + groups[2] + groups[3])), 1)
    return hoga.se_b(hoga.fuse(z) + x)


def with_statistics(model: nn.Module) -> nn.Module:
    """Give every batch norm statistics of its own, as training would."""
    generator = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, std=0.5, generator=generator)
    return model


def genotypes() -> st.SearchStrategy[Genotype]:
    """Any wiring: operations and sources repeat, `none` included."""
    operations = st.sampled_from(list(OPERATIONS))
    edges = [st.tuples(operations, st.integers(0, node)) for node in range(4) for _ in range(node + 1)]
    return st.tuples(*edges).map(Genotype)
