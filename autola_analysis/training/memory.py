"""Whether a network that is to be trained fits into memory, known before it takes any."""

from __future__ import annotations

import torch

from autola_analysis.core.errors import OptionError
from autola_analysis.inference.resources import free_memory

COPIES = 3
"""Weights, their gradients and their momentum, in float32"""
BYTES = 4


def check_fits(parameters: int, device: torch.device) -> None:
    """Refuse a network whose weights, gradients and momentum alone are larger than the free memory.

    Args:
        parameters: Number of its parameters.
        device: Where it is to be trained.

    Raises:
        OptionError: If they are.
    """
    needed, free = COPIES * BYTES * parameters, free_memory(device)
    if free is not None and needed > free:
        raise OptionError(
            f"a network of {parameters:,} parameters takes {needed / 2**30:,.0f} GiB to train (weights, gradients and "
            f"momentum), and {free / 2**30:,.0f} GiB of memory are free on {device}; choose a smaller width."
        )
