"""The operations on HOGA's edges, evaluated for all edges that leave one source at once.

Every operation of `OPERATIONS` but ``none`` multiplies its input by a gate. For E edges its gate is the same stack of
layers with grouped convolutions: parts keep their names, and a tensor of E edges is the tensors of single edges one
behind the other along its first axis. Batch norms have no scale and shift in the search, but that of CBAM's spatial
gate.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from autola_analysis.attention.cbam import max_and_mean_over_channels
from autola_analysis.attention.edge_layers import EdgeConv2d, EdgeLinear, EdgeStack
from autola_analysis.core.registry import Registry

REDUCTION = 4
"""Of the perceptrons on edges, as in `OPERATIONS`."""


class SourceMaps:
    """What the operations on the edges of one source read, computed once.

    Args:
        x: ``(B, E, c, H, W)``, an input for each edge, or ``(B, 1, c, H, W)``, one for all.
        edges: E.
    """

    def __init__(self, x: Tensor, edges: int) -> None:
        self.x = x
        self.edges = edges

    @cached_property
    def side_by_side(self) -> Tensor:
        """The inputs behind one another, ``(B, E c, H, W)``."""
        return self._for_edges(self.x)

    @cached_property
    def mean(self) -> Tensor:
        """Spatial mean, ``(B, E c)``."""
        return self._for_edges(self.x.mean((3, 4)))

    @cached_property
    def maximum(self) -> Tensor:
        """Spatial maximum, ``(B, E c)``."""
        return self._for_edges(self.x.amax((3, 4)))

    @cached_property
    def over_channels(self) -> Tensor:
        """Maximum and mean over channels, ``(B, 2 E, H, W)``."""
        return self._for_edges(max_and_mean_over_channels(self.x, 2))

    def _for_edges(self, values: Tensor) -> Tensor:
        if values.shape[1] != self.edges:
            values = values.expand(-1, self.edges, *values.shape[2:])
        return values.flatten(1, 2)


class Candidate(nn.Module):
    """An operation on the E edges of a source, as the gates that multiply their inputs.

    Args:
        edges: E.
        channels: c of an input ``(B, c, H, W)``.
    """

    def __init__(self, edges: int, channels: int) -> None:
        super().__init__()
        self.edges = edges
        self.channels = channels

    def forward(self, source: SourceMaps) -> tuple[Tensor, ...]:
        """Return the gate, or the factors of it, of shapes that broadcast to ``(B, E, c, H, W)``."""
        raise NotImplementedError


class ConvolutionalCandidate(Candidate):
    """``sigmoid(f(x))``, f a stack of convolutions on the channels of an edge, see `ConvolutionalGate`."""

    def __init__(self, edges: int, channels: int, separable: bool) -> None:
        super().__init__(edges, channels)
        layers = _separable_twice if separable else _dilated
        self.gate = EdgeStack(*layers(edges, channels, channels), nn.Sigmoid())

    def forward(self, source: SourceMaps) -> tuple[Tensor, ...]:
        """Return the gate per channel and position, ``(B, E, c, H, W)``."""
        return (self.gate(source.side_by_side).unflatten(1, (self.edges, -1)),)


class SpatialCandidate(Candidate):
    """``sigmoid(f([max; mean] over channels))``, see `SpatialConvolutionalGate`."""

    def __init__(self, edges: int, channels: int, separable: bool) -> None:
        super().__init__(edges, channels)
        layers = _separable_twice(edges, 2, 1) if separable else _dilated_to_one_map(edges)
        self.gate = EdgeStack(*layers, nn.Sigmoid())

    def forward(self, source: SourceMaps) -> tuple[Tensor, ...]:
        """Return the gate per position, ``(B, E, 1, H, W)``."""
        return (self.gate(source.over_channels).unsqueeze(2),)


class MeanCandidate(Candidate):
    """``sigmoid(mlp(mean(x)))``, see `SqueezeExcitation`."""

    def __init__(self, edges: int, channels: int) -> None:
        super().__init__(edges, channels)
        self.gate = nn.Sequential(OrderedDict(**_perceptron(edges, channels, bias=False), sigmoid=nn.Sigmoid()))

    def forward(self, source: SourceMaps) -> tuple[Tensor, ...]:
        """Return the gate per channel, ``(B, E, c, 1, 1)``."""
        return (self.gate(source.mean).view(-1, self.edges, self.channels, 1, 1),)


class EdgeChannelGate(nn.Module):
    """``sigmoid(mlp(mean(x)) + mlp(max(x)))`` for E edges, see `ChannelGate`."""

    def __init__(self, edges: int, channels: int, bias: bool) -> None:
        super().__init__()
        self.mlp = nn.Sequential(_perceptron(edges, channels, bias))
        self.sigmoid = nn.Sigmoid()

    def forward(self, source: SourceMaps) -> Tensor:
        """Return the gates, ``(B, E c)``."""
        of_mean, of_maximum = self.mlp(torch.cat((source.mean, source.maximum))).chunk(2)
        return self.sigmoid(of_mean + of_maximum)


class MeanMaxCandidate(Candidate):
    """A channel gate without biases, see `MeanMaxChannelGate`."""

    def __init__(self, edges: int, channels: int) -> None:
        super().__init__(edges, channels)
        self.gate = EdgeChannelGate(edges, channels, bias=False)

    def forward(self, source: SourceMaps) -> tuple[Tensor, ...]:
        """Return the gate per channel, ``(B, E, c, 1, 1)``."""
        return (self.gate(source).view(-1, self.edges, self.channels, 1, 1),)


class EdgeSpatialGate(nn.Module):
    """``sigmoid(BN(conv7x7([max; mean] over channels)))`` for E edges, see `SpatialGate`."""

    def __init__(self, edges: int) -> None:
        super().__init__()
        self.conv = EdgeConv2d(edges, 2, 1, 7)
        self.bn = nn.BatchNorm2d(edges, momentum=0.01)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the gates of ``(B, E, c, H, W)``, shape ``(B, E, H, W)``."""
        return self.sigmoid(self.bn(self.conv(max_and_mean_over_channels(x, 2).flatten(1, 2))))


class CBAMCandidate(Candidate):
    """A channel gate times a spatial gate of what the channel gate leaves, see `CBAM`."""

    def __init__(self, edges: int, channels: int) -> None:
        super().__init__(edges, channels)
        self.channel_gate = EdgeChannelGate(edges, channels, bias=True)
        self.spatial_gate = EdgeSpatialGate(edges)

    def forward(self, source: SourceMaps) -> tuple[Tensor, ...]:
        """Return both factors, ``(B, E, c, 1, 1)`` and ``(B, E, 1, H, W)``."""
        channel = self.channel_gate(source).view(-1, self.edges, self.channels, 1, 1)
        return channel, self.spatial_gate(source.x * channel).unsqueeze(2)


class SkipCandidate(Candidate):
    """The gate that is one everywhere."""

    def forward(self, source: SourceMaps) -> tuple[Tensor, ...]:
        """Return ``(1, 1, 1, 1, 1)``."""
        return (source.x.new_ones(1, 1, 1, 1, 1),)


CandidateBuilder = Callable[[int, int], Candidate | None]
CANDIDATES: Registry[CandidateBuilder] = Registry("batched HOGA operation")
"""From E and c to an operation of `OPERATIONS` on E edges; None for one that puts out zeros. An operation that is not
here is evaluated edge by edge."""

CANDIDATES.register("none")(lambda edges, channels: None)
CANDIDATES.register("skip_connect")(SkipCandidate)
CANDIDATES.register("sep_conv_3x3")(lambda edges, channels: ConvolutionalCandidate(edges, channels, separable=True))
CANDIDATES.register("dil_conv_3x3")(lambda edges, channels: ConvolutionalCandidate(edges, channels, separable=False))
CANDIDATES.register("sep_conv_3x3_spatial")(lambda edges, channels: SpatialCandidate(edges, channels, separable=True))
CANDIDATES.register("dil_conv_3x3_spatial")(lambda edges, channels: SpatialCandidate(edges, channels, separable=False))
CANDIDATES.register("SE")(MeanCandidate)
CANDIDATES.register("SE_A_M")(MeanMaxCandidate)
CANDIDATES.register("CBAM")(CBAMCandidate)


def _norm(edges: int, channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(edges * channels, affine=False)


def _separable_twice(edges: int, channels: int, out_channels: int) -> list[nn.Module]:
    return [
        EdgeConv2d(edges, channels, channels, 3, groups=channels),
        EdgeConv2d(edges, channels, channels, 1),
        _norm(edges, channels),
        nn.ReLU(inplace=True),
        EdgeConv2d(edges, channels, channels, 3, groups=channels),
        EdgeConv2d(edges, channels, out_channels, 1),
        _norm(edges, out_channels),
    ]


def _dilated(edges: int, channels: int, out_channels: int) -> list[nn.Module]:
    return [
        EdgeConv2d(edges, channels, channels, 3, dilation=2, groups=channels),
        EdgeConv2d(edges, channels, out_channels, 1),
        _norm(edges, out_channels),
    ]


def _dilated_to_one_map(edges: int) -> list[nn.Module]:
    return [EdgeConv2d(edges, 2, 1, 3, dilation=2), EdgeConv2d(edges, 1, 1, 1), _norm(edges, 1)]


def _perceptron(edges: int, channels: int, bias: bool) -> OrderedDict[str, nn.Module]:
    hidden = max(1, channels // REDUCTION)
    return OrderedDict(
        fc1=EdgeLinear(edges, channels, hidden, bias),
        relu=nn.ReLU(inplace=True),
        fc2=EdgeLinear(edges, hidden, channels, bias),
    )
