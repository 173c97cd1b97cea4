"""Grouped convolutions whose gradient can be differentiated as fast as it is computed.

torch differentiates the gradient of a grouped convolution group by group, with kernels as large as a feature map. Its
parts are convolutions themselves, and are written as such here: with a kernel w, an input x and a gradient g of the
output, the gradient of x is g convolved with w turned by 180 degrees, and that of w is linear in x and in g.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.grad import conv2d_weight


class Geometry(NamedTuple):
    """Of a convolution that keeps the size: a stride of one and an odd kernel."""

    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


@dataclass
class TwiceDifferentiated:
    """What the convolutions of one graph are asked for.

    Attributes:
        weights: Whether a backward computes the gradients of kernels. Switch it off where they would be dropped, as
            when the gradient of weights is differentiated by something that weights do not depend on.
    """

    weights: bool = True


_ASKED: ContextVar[TwiceDifferentiated | None] = ContextVar("asked", default=None)


@contextmanager
def differentiated_twice() -> Iterator[TwiceDifferentiated]:
    """Let edges' convolutions inside build graphs whose gradients are to be differentiated once more."""
    asked = TwiceDifferentiated()
    token = _ASKED.set(asked)
    try:
        yield asked
    finally:
        _ASKED.reset(token)


def convolve(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Return the convolution of ``(B, groups i, H, W)`` with ``(groups o, i, k, l)``, shape ``(B, groups o, H, W)``."""
    asked = _ASKED.get()
    if asked is None:
        return F.conv2d(x, weight, None, 1, *geometry)
    result: Tensor = _Convolution.apply(x, weight, geometry, asked)
    return result


def turned(weight: Tensor, groups: int) -> Tensor:
    """Return the kernel that maps gradients of the output to gradients of the input, ``(groups i, o, k, l)``."""
    return torch.unflatten(weight, 0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip((2, 3))


class _Convolution(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *arguments: Any) -> Tensor:
        x, weight, geometry, asked = arguments
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.asked = geometry, asked  # type: ignore[attr-defined]
        return F.conv2d(x, weight, None, 1, *geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        of_input, of_weight, *_ = ctx.needs_input_grad
        geometry = ctx.geometry
        return (
            F.conv2d(gradient, turned(weight, geometry.groups), None, 1, *geometry) if of_input else None,
            _WeightGradient.apply(x, gradient, weight.shape, geometry) if of_weight and ctx.asked.weights else None,
            None,
            None,
        )


class _WeightGradient(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *arguments: Any) -> Tensor:
        x, gradient, shape, geometry = arguments
        ctx.save_for_backward(x, gradient)
        ctx.geometry = geometry  # type: ignore[attr-defined]
        padding, dilation, groups = geometry
        result: Tensor = conv2d_weight(x, shape, gradient, 1, padding, dilation, groups)  # type: ignore[no-untyped-call]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (direction,) = gradients
        x, gradient = ctx.saved_tensors
        geometry = ctx.geometry
        return (
            F.conv2d(gradient, turned(direction, geometry.groups), None, 1, *geometry),
            F.conv2d(x, direction, None, 1, *geometry),
            None,
            None,
        )
