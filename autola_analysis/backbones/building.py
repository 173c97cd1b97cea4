"""Building networks without a trace: no random number drawn from the caller's generator, or no memory taken."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def build_aside(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network without advancing the caller's random number generator."""
    with torch.random.fork_rng(devices=[]):
        return build()


def build_outline(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network for its names and shapes only: a damaged file can describe one that no memory holds."""
    with torch.device("meta"):
        return build_aside(build)
