"""The weights of a wiring out of the mixture in which it was searched."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autola_analysis.attention.genotype import Genotype, edge_row
from autola_analysis.attention.mixture import HogaSearch, Wave
from autola_analysis.attention.operations import OPERATIONS

SHARED_PARTS = ("se_a.", "se_b.", "fuse.")


def inherit(module: HogaSearch, genotype: Genotype) -> dict[str, Tensor]:
    """Return the state of a `HighOrderGroupAttention` with a wiring and the weights that its operations have here.

    Args:
        module: The mixture.
        genotype: The wiring; its sources may repeat.

    Returns:
        Tensors by the names of ``HighOrderGroupAttention(C, genotype, reduction)``, with the reductions of the
        mixture; they share memory with those of the mixture. Batch norms without scale and shift get ones and zeros.
    """
    state = module.state_dict()
    inherited = {name: tensor for name, tensor in state.items() if name.startswith(SHARED_PARTS)}
    group = state["se_a.gate.fc1.weight"].shape[1]
    for node, edges in enumerate(genotype.nodes(), start=1):
        for index, (operation, source) in enumerate(edges, start=edge_row(node, 0)):
            wave = module.waves[source]
            assert isinstance(wave, Wave)
            own = edge_state(wave, node - source - 1, operation, group)
            inherited |= {f"ops.{index}.{name}": tensor for name, tensor in own.items()}
    return inherited


def edge_state(wave: Wave, edge: int, operation: str, channels: int) -> dict[str, Tensor]:
    """Return the state of one operation on one edge, by the names of its module in `OPERATIONS`.

    Args:
        wave: The edges that leave one source.
        edge: Place of the edge in the wave.
        operation: Its name.
        channels: Of its input.
    """
    batched = getattr(wave, operation, None)
    if isinstance(batched, nn.ModuleList):  # evaluated edge by edge
        return batched[edge].state_dict()
    stored = {} if batched is None else batched.state_dict()
    with torch.device("meta"):
        wanted = OPERATIONS.get(operation)(channels).state_dict()
    state = {}
    for name, like in wanted.items():
        if name in stored:
            tensor = stored[name]
            state[name] = tensor if tensor.ndim == 0 else tensor.chunk(wave.edges)[edge]
        else:  # the scale or shift of a batch norm that has none in the search
            mean = stored[f"{name.rpartition('.')[0]}.running_mean"]
            state[name] = mean.new_full(like.shape, float(name.endswith("weight")))
    return state
