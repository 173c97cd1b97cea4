"""Layers that stand for the same layer on several edges, each with weights of its own: grouped convolutions."""

from __future__ import annotations

import math
from typing import TypeGuard

import torch
from torch import Tensor, nn

from autola_analysis.attention.convolution import Geometry, convolve, separable


class EdgeConv2d(nn.Conv2d):
    """The same convolution for E edges, each with weights of its own.

    Args:
        edges: E.
        in_channels: Of one edge.
        out_channels: Of one edge.
        kernel_size: Side of the kernel.
        dilation: Of the kernel; the padding keeps the size.
        groups: Of one edge.
    """

    def __init__(
        self, edges: int, in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1, groups: int = 1
    ) -> None:
        self.edges = edges
        around = dilation * (kernel_size // 2)
        super().__init__(
            edges * in_channels,
            edges * out_channels,
            kernel_size,
            padding=around,
            dilation=dilation,
            groups=edges * groups,
            bias=False,
        )
        self._geometry = Geometry((around, around), (dilation, dilation), self.groups)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all edges, one behind the other: ``(B, E n, H, W) -> (B, E m, H, W)``."""
        return convolve(x, self.weight, self._geometry)

    def followed_by(self, pointwise: nn.Module, x: Tensor) -> Tensor:
        """Return ``pointwise(self(x))``."""
        assert isinstance(pointwise, EdgeConv2d)
        return separable(x, self.weight, pointwise.weight, self._geometry, pointwise.groups)

    def reset_edges(self) -> None:
        """Draw the weights of each edge from He's normal distribution with that edge's own fan out."""
        for weight in self.weight.chunk(self.edges):
            nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def is_depthwise(layer: nn.Module) -> TypeGuard[EdgeConv2d]:
    """Return whether a layer is a convolution in which every channel has a kernel of its own."""
    own = isinstance(layer, EdgeConv2d) and layer.groups == layer.in_channels == layer.out_channels
    return own and layer.kernel_size != (1, 1)


class EdgeStack(nn.Sequential):
    """Layers in a row, in which a convolution by single positions follows every depthwise one."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the last layer; what depthwise convolutions put out is not kept for a backward."""
        layers = iter(self)
        for layer in layers:
            x = layer.followed_by(next(layers), x) if is_depthwise(layer) else layer(x)
        return x


class EdgeLinear(nn.Module):
    """The same linear layer for E edges, each with weights of its own: ``(B, E n) -> (B, E m)``.

    Args:
        edges: E.
        in_features: n, of one edge.
        out_features: m, of one edge.
        bias: Whether to add one.
    """

    def __init__(self, edges: int, in_features: int, out_features: int, bias: bool) -> None:
        super().__init__()
        self.edges = edges
        bound = 1 / math.sqrt(in_features)  # what torch draws the weights and biases of one edge's layer from
        self.weight = nn.Parameter(torch.empty(edges * out_features, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(edges * out_features).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all edges, ``(B, E m)``."""
        inputs = torch.unflatten(x, 1, (self.edges, -1)).transpose(0, 1)
        weights = torch.unflatten(self.weight, 0, (self.edges, -1)).transpose(1, 2)
        outputs = torch.bmm(inputs, weights).transpose(0, 1).flatten(1)
        return outputs if self.bias is None else outputs + self.bias
