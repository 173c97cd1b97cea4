"""What the attention modules share: their output is a product of two factors, of which the second is a gate."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Gating(nn.Module):
    """A module that puts out the product of two factors.

    Who adds up several such products takes the factors themselves and spares a feature map for each, see `add_output`.
    """

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is scaled, ``(B, C, H, W)``, and the gate that scales it, of a shape that broadcasts to it."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` scaled, shape ``(B, C, H, W)``."""
        value, gate = self.factors(x)
        return value * gate


def add_output(total: Tensor | None, module: nn.Module, x: Tensor) -> Tensor:
    """Return ``total + module(x)``, or ``module(x)`` where there is no total yet.

    A module with a hook, or with a forward of its own, is called; a plain `Gating` gives its factors.
    """
    if total is not None and isinstance(module, Gating) and is_plain(module):
        value, gate = module.factors(x)
        return torch.addcmul(total, value, gate)
    output: Tensor = module(x)
    return output if total is None else total + output


def is_plain(module: Gating) -> bool:
    """Return whether calling the module would do nothing but multiply its factors."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return type(module).forward is Gating.forward and "forward" not in vars(module) and not any(hooks)
