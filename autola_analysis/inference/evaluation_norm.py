"""Batch norm in evaluation mode, where only the gradient of its input is wanted: one product with a number per channel.

torch's own backward also reads the input, twice, for gradients of weights that nobody asked for, and so keeps a feature
map alive for every norm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

ARGUMENTS = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
"""Of `torch.nn.functional.batch_norm`, behind its input"""


class EvaluationNorm(torch.autograd.Function):
    """A batch norm whose values are torch's own and whose gradient is one product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Callable[[Tensor], Tensor], scale: Tensor) -> Tensor:
        """Run the network's own call."""
        ctx.save_for_backward(scale)
        return call(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradient of every channel."""
        (gradient,), (scale,) = gradients, ctx.saved_tensors
        return gradient * scale.view(-1, *[1] * (gradient.ndim - 2)), None, None


def scale_of_norm(func: Any, x: Tensor, rest: Sequence[Any], options: Mapping[str, Any]) -> Tensor | None:
    """Return the number that a call multiplies every channel by; None where it is no such batch norm.

    Args:
        func: What is called.
        x: Its first argument.
        rest: The other arguments by place.
        options: Those by name.
    """
    if func is not F.batch_norm:
        return None
    given = dict(zip(ARGUMENTS, rest, strict=False)) | dict(options)
    variance, weight, bias = (given.get(name) for name in ("running_var", "weight", "bias"))
    taking = any(isinstance(each, Tensor) and each.requires_grad for each in (weight, bias))
    if given.get("training", False) or variance is None or variance.dtype != x.dtype or taking:
        return None
    scale = (variance + given.get("eps", 1e-5)).rsqrt()
    return scale if weight is None else scale * weight
