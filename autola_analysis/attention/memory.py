"""In which memory format the layers of attention modules read their inputs, where a processor is several times as fast.

Measured on few channels, a batch of 64 maps of 32x32 (`benchmarks/hoga.py`, `benchmarks/search.py`):

- a convolution with a wide or dilated kernel is differentiated two to four times as fast in channels-last memory, and
  large batches are convolved faster there too;
- a batch norm of up to four channels takes 2.9 ms forward and backward in channels-last memory in training, and 0.7 ms
  in contiguous memory; one of more channels whose input is channels-last is fast if its gradient is so too;
- a maximum or mean over channels or positions takes up to seven times as long in channels-last memory.

Layers in a row hand their format on, so that a tensor is copied only where two of these rules meet. The format decides
nothing but speed, and the order of sums. On other devices tensors keep the format that they come in, but for maxima and
means.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

FEW_CHANNELS = 4
"""Of a batch norm that is faster in contiguous memory"""


def for_convolution(x: Tensor) -> Tensor:
    """Return ``(B, C, H, W)`` as a convolution reads it fast: in channels-last memory on a processor."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x


def for_reduction(x: Tensor) -> Tensor:
    """Return a tensor as maxima and means read it fast: in contiguous memory."""
    return x.contiguous()


def trained_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Return what a batch norm between convolutions puts out in training; one of few channels reads contiguous memory.

    Args:
        norm: In train mode.
        x: ``(B, C, H, W)``.
    """
    if norm.num_features > FEW_CHANNELS or x.device.type != "cpu":
        output: Tensor = norm(x)
        return output
    return for_convolution(norm(x.contiguous()))


def with_gradient_for_norm(x: Tensor) -> Tensor:
    """Return a batch norm's output, whose gradient comes in channels-last memory on a processor, as its input did."""
    if not x.requires_grad or x.device.type != "cpu":
        return x
    same: Tensor = _ChannelsLastGradient.apply(x)
    return same


class _ChannelsLastGradient(Function):
    """The identity."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        return for_convolution(gradient)
