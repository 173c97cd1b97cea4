"""Building networks without a trace: no random number drawn from the caller's generator, or no memory taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

DRAWING = (Tensor.normal_, Tensor.uniform_)


def build_aside(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network without advancing the caller's random number generator."""
    with torch.random.fork_rng(devices=[]):
        return build()


def build_outline(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network for its names and shapes only: a damaged file can describe one that no memory holds."""
    with torch.device("meta"), _Undrawn():
        return build_aside(build)


class _Undrawn(TorchFunctionMode):
    """Draws no number that no memory holds, which was half of the time."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in DRAWING and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))
