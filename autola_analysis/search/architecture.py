"""The parameters of a search: one matrix alpha, shared by all modules of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autola_analysis.attention.genotype import EDGES
from autola_analysis.attention.operations import OPERATIONS

START = 1e-3
"""Standard deviation of alpha at the start, as in the authors' code."""


class Architecture(nn.Module):
    """alpha of shape ``(10, operations)``; an edge weighs its operations by the softmax of its row.

    Args:
        seed: Of the start, which does not depend on the network.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.alpha = nn.Parameter(START * torch.randn(EDGES, len(OPERATIONS.names()), generator=generator))

    def mixture(self) -> Tensor:
        """Return the weights of the operations, ``(10, operations)``; rows sum to one."""
        return self.alpha.softmax(1)
