"""Grouped convolutions of few channels, fast to differentiate once and twice.

On a processor one with a wide or dilated kernel is differentiated faster in channels-last memory, see `memory`, and one
by a single position as a product of matrices (`benchmarks/search.py`).

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

from autola_analysis.attention.memory import for_convolution


class Geometry(NamedTuple):
    """Of a convolution that keeps the size: a stride of one and an odd kernel."""

    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    @property
    def pointwise(self) -> bool:
        """Whether the kernel is a single position."""
        return self.padding == (0, 0)

    @property
    def wide(self) -> bool:
        """Whether the kernel reaches further than to the next position."""
        return max(self.padding) > 1


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
    if geometry.pointwise:
        return _pointwise(x, weight, geometry.groups)
    asked = _ASKED.get()
    if asked is None and not geometry.wide:
        return F.conv2d(x, weight, None, 1, *geometry)
    result: Tensor = _Convolution.apply(x, weight, geometry, asked or TwiceDifferentiated())
    return result


def separable(x: Tensor, depthwise: Tensor, pointwise: Tensor, geometry: Geometry, groups: int) -> Tensor:
    """Return a convolution of every channel and then one by single positions, the first computed anew in a backward.

    What lies between them, as large as the input, is not kept, but inside `differentiated_twice`.

    Args:
        x: ``(B, n, H, W)``.
        depthwise: ``(n, 1, k, l)``.
        pointwise: ``(m, n / groups, 1, 1)``.
        geometry: Of the first.
        groups: Of the second.
    """
    if _ASKED.get() is not None:
        return _pointwise(convolve(x, depthwise, geometry), pointwise, groups)
    result: Tensor = _Separable.apply(x, depthwise, pointwise, geometry, groups)
    return result


class _Separable(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *arguments: Any) -> Tensor:
        x, depthwise, pointwise, geometry, groups = arguments
        ctx.save_for_backward(x, depthwise, pointwise)
        ctx.geometry, ctx.groups = geometry, groups  # type: ignore[attr-defined]
        return _pointwise(_conv2d(x, depthwise, geometry), pointwise, groups)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        twice = torch.is_grad_enabled()  # whoever called asked for create_graph
        with torch.enable_grad():
            # Views: the gradient of one input must not go through another that depends on it.
            inputs = [each.view_as(each) if twice else each.detach() for each in ctx.saved_tensors]
            needed = [each.requires_grad_() for each, need in zip(inputs, ctx.needs_input_grad, strict=False) if need]
            x, depthwise, pointwise = inputs
            out = _pointwise(convolve(x, depthwise, ctx.geometry), pointwise, ctx.groups)
            found = iter(torch.autograd.grad(out, needed, gradients, create_graph=twice))
        return (*(next(found) if need else None for need in ctx.needs_input_grad[:3]), None, None)


def _pointwise(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    kernels = weight.view(groups, -1, weight.shape[1])
    positions = x.reshape(len(x), groups, weight.shape[1], -1)
    return torch.matmul(kernels, positions).view(len(x), -1, *x.shape[2:])


def _conv2d(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    return F.conv2d(_in_fast_memory(x, geometry), weight, None, 1, *geometry).contiguous()


def _in_fast_memory(x: Tensor, geometry: Geometry) -> Tensor:
    return for_convolution(x) if geometry.wide else x


def turned(weight: Tensor, groups: int) -> Tensor:
    """Return the kernel that maps gradients of the output to gradients of the input, ``(groups i, o, k, l)``."""
    return torch.unflatten(weight, 0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip((2, 3))


class _Convolution(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *arguments: Any) -> Tensor:
        x, weight, geometry, asked = arguments
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.asked = geometry, asked  # type: ignore[attr-defined]
        return _conv2d(x, weight, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        of_input, of_weight, *_ = ctx.needs_input_grad
        geometry = ctx.geometry
        return (
            _conv2d(gradient, turned(weight, geometry.groups), geometry) if of_input else None,
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
        x, gradient = (_in_fast_memory(each, geometry) for each in (x, gradient))
        result: Tensor = conv2d_weight(x, shape, gradient, 1, padding, dilation, groups)  # type: ignore[no-untyped-call]
        return result.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (direction,) = gradients
        x, gradient = ctx.saved_tensors
        geometry = ctx.geometry
        return (
            _conv2d(gradient, turned(direction, geometry.groups), geometry),
            _conv2d(x, direction, geometry),
            None,
            None,
        )
