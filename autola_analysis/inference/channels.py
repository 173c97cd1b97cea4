"""Which axis of a layer's output holds the channels.

Convolutional networks put out ``(B, C, H, W)``. Swin, and the normalised and linear parts of ConvNeXt, put out
``(B, H, W, C)``; read as the former, their rows would be taken for units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import LayerError, OptionError

ChannelAxis = Literal["first", "last"]
CHANNEL_AXES: tuple[ChannelAxis, ...] = ("first", "last")
SWIN = "torchvision.models.swin_transformer"
PERMUTED: dict[tuple[int, ...], ChannelAxis] = {(0, 2, 3, 1): "last", (0, 3, 1, 2): "first"}
FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)

_given: ContextVar[ChannelAxis | None] = ContextVar("channel_axis", default=None)


def axis_of(name: str | None) -> ChannelAxis | None:
    """Return the axis of a name.

    Raises:
        OptionError: If it is neither "first" nor "last".
    """
    for axis in CHANNEL_AXES:
        if name == axis:
            return axis
    if name is None:
        return None
    raise OptionError(f"the channel axis is one of {', '.join(CHANNEL_AXES)}; found {name!r}.")


@contextmanager
def channel_axis(axis: ChannelAxis | None) -> Iterator[None]:
    """Say which axis of ``(B, ., ., .)`` holds the channels, for all layers that are read while the context lasts.

    Args:
        axis: "first" takes every layer as it is; "last" decides for layers whose axis is not known otherwise; None
            changes nothing.

    Raises:
        OptionError: If it is none of these.
    """
    token = _given.set(axis_of(axis) or _given.get())
    try:
        yield
    finally:
        _given.reset(token)


def channels_last(model: nn.Module, layer: str, activation: Tensor, size: Sequence[int] | None) -> bool:
    """Return whether a layer's output holds its channels in its last axis.

    Args:
        model: The network.
        layer: Name of the module.
        activation: Its output, ``(B, C, H, W)``, ``(B, H, W, C)`` or of another shape.
        size: Height and width of the images; None where they are not known.

    Raises:
        LayerError: If the shape says so, the module does not, and no `channel_axis` was given.
    """
    given = _given.get()
    if activation.ndim != 4 or given == "first" or not _can_be_last(activation.shape, size):
        return False
    known = recognised_axis(model, layer)
    if known or given:
        return (known or given) == "last"
    if _can_be_first(activation.shape, size):
        return False
    shape = tuple(activation.shape[1:])
    raise LayerError(
        f"layer {layer!r} puts out shape {shape} per image, which looks like (H, W, C) and not like (C, H, W); give "
        f"--channel-axis last, or --channel-axis first where {shape[0]} is the number of channels (in Python: "
        "Settings(channel_axis=...) or explain(..., channel_axis=...))."
    )


def recognised_axis(model: nn.Module, layer: str) -> ChannelAxis | None:
    """Return the axis that a network's family or a layer's class puts its channels in; None where that is not known.

    Known are convolutions, batch norms, linear layers and layer norms, what follows them in a `Sequential` or a
    perceptron, torchvision's Swin, and networks that say so in an attribute ``output_fmt``, as timm's do.
    """
    parts = layer.split(".") if layer else []
    modules = [model.get_submodule(".".join(parts[:depth])) for depth in range(len(parts) + 1)]
    axis = _axis_within(modules[-1])
    if axis is None and len(modules) > 1:
        axis = _axis_before(modules[-2], parts[-1])
    for outer in reversed(modules):
        if axis is None:
            axis = _axis_of_family(outer)
    return axis


def _axis_of_family(network: nn.Module) -> ChannelAxis | None:
    stated = getattr(network, "output_fmt", None)
    swin = type(network).__module__ == SWIN and type(network).__name__ == "SwinTransformer"
    return "last" if swin or str(getattr(stated, "value", stated)) == "NHWC" else None


def _axis_within(module: nn.Module) -> ChannelAxis | None:
    """Return the axis that the last of a module's layers that has one puts its channels in."""
    name = type(module).__name__
    if name == "Permute":
        return PERMUTED.get(tuple(getattr(module, "dims", ())))
    if isinstance(module, FIRST) or "2d" in name:  # as LayerNorm2d, which permutes and permutes back
        return "first"
    if isinstance(module, (nn.Linear, nn.LayerNorm)):
        return "last"
    return _last_known(list(module.children())) if _is_chain(module) else None


def _axis_before(parent: nn.Module, name: str) -> ChannelAxis | None:
    """Return the axis of what runs before a child of a chain of layers."""
    names = [child for child, _ in parent.named_children()]
    return _last_known(list(parent.children())[: names.index(name)]) if _is_chain(parent) else None


def _last_known(modules: Sequence[nn.Module]) -> ChannelAxis | None:
    return next((axis for module in reversed(modules) if (axis := _axis_within(module))), None)


def _is_chain(module: nn.Module) -> bool:
    """Return whether a module runs its children one after the other."""
    return isinstance(module, nn.Sequential) or "mlp" in type(module).__name__.lower()


def _can_be_first(shape: torch.Size, size: Sequence[int] | None) -> bool:
    return _fit(shape[2], shape[3], size)


def _can_be_last(shape: torch.Size, size: Sequence[int] | None) -> bool:
    return shape[3] > 1 and _fit(shape[1], shape[2], size)


def _fit(rows: int, columns: int, size: Sequence[int] | None) -> bool:
    """Return whether a map may be that of an image: as square, or smaller by a power of two, rounded up or down."""
    if size is None or size[0] == size[1]:
        return rows == columns
    strides = [2**power for power in range(max(size).bit_length())]
    return any(abs(size[0] / each - rows) < 1 and abs(size[1] / each - columns) < 1 for each in strides)
