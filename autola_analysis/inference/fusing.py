"""Convolutions of a faster copy that carry out the ReLU, and the addition, behind them.

oneDNN applies both to what a convolution has just computed, which spares reading and writing the feature map again, and
keeps weights in the order that its kernels read. `torch.compile` uses the same operators; here they cost no compiler
and no warm-up. A block's own forward is traced with its parts as they are, so that who listens to a part still hears
it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from threading import get_ident
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from autola_analysis.inference.turns import TURN

TRACED = ("autola_analysis.backbones.", "torchvision.models.", "timm.models.")
"""Packages whose blocks do nothing in a forward but compute: tracing runs it once with stand-ins for tensors."""
RELU_FUNCTIONS = (F.relu, F.relu_, torch.relu, torch.relu_)
ADDITIONS = (operator.add, operator.iadd, torch.add)


class FusedConvolution(nn.Module):
    """``relu(convolution(x) + other)``, or without `other`, in one operator where that can be.

    Args:
        convolution: A plain convolution, which is read and not changed; its weights must stay as they are.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        assert isinstance(convolution.padding, tuple)
        self._convolution = (convolution,)  # it belongs to its block, not to this module
        self._geometry = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        self._packed: tuple[torch.Size, Tensor] | None = None

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """Return the rectified sum."""
        (convolution,) = self._convolution
        if not _is_plain(x) or (other is not None and not (_is_plain(other) and other.shape == self._shape(x))):
            total: Tensor = convolution(x) if other is None else convolution(x) + other
            return F.relu(total)
        operator_: Any = torch.ops.mkldnn._convolution_pointwise
        added, activation = ((), ()) if other is None else ((other,), ("add", 1.0))
        return operator_(
            x, *added, self._weight(x), convolution.bias, *self._geometry, *activation, "relu", [], ""
        )  # fmt: skip

    def _weight(self, x: Tensor) -> Tensor:
        """Return the weights in the order that suits inputs of this shape."""
        if self._packed is None or self._packed[0] != x.shape:
            weight = self._convolution[0].weight.detach().to_mkldnn()
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
            self._packed = (x.shape, reorder(weight, *self._geometry, list(x.shape)))
        return self._packed[1]

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape of what the convolution puts out."""
        (convolution,) = self._convolution
        padding, stride, dilation, _ = self._geometry
        sides = (
            (size + 2 * pad - spread * (kernel - 1) - 1) // step + 1
            for size, pad, step, spread, kernel in zip(
                x.shape[2:], padding, stride, dilation, convolution.kernel_size, strict=True
            )
        )
        return (len(x), convolution.out_channels, *sides)


def _is_plain(x: Tensor) -> bool:
    """Return whether oneDNN's operator takes a tensor: float32, channels-last, on the CPU, without a gradient."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.ndim == 4
        and x.is_contiguous(memory_format=torch.channels_last)
        and not (torch.is_grad_enabled() and x.requires_grad)
    )


def can_fuse() -> bool:
    """Return whether this build of torch has the operators."""
    return bool(torch.backends.mkldnn.is_available()) and all(  # type: ignore[no-untyped-call]
        hasattr(place, name)
        for place, name in (
            (torch.ops.mkldnn, "_convolution_pointwise"),
            (torch._C._nn, "mkldnn_reorder_conv2d_weight"),
        )
    )


def fuse(model: nn.Module, tapped: Collection[nn.Module]) -> list[nn.Module]:
    """Let blocks of a copy use fused convolutions; return the modules whose forward was replaced.

    Args:
        model: In evaluation mode, batch norms folded away.
        tapped: Modules whose output somebody reads: they are called as before.
    """
    if not can_fuse():
        return []
    replaced = []
    for module in list(model.modules()):
        if _is_traceable(module) and (forward := _fused_forward(module, tapped)) is not None:
            module.forward = forward.forward
            replaced.append(module)
    return replaced


def _is_traceable(module: nn.Module) -> bool:
    """Return whether a module's own forward can be traced safely, and calls a convolution."""
    known = type(module).__module__.startswith(TRACED) and "forward" not in vars(module)
    return known and any(type(child) is nn.Conv2d for child in module.children())


def unfuse(modules: Collection[nn.Module]) -> None:
    """Give modules their own forward back."""
    for module in modules:
        del module.forward


class _Tracer(fx.Tracer):
    """Traces a block's own forward; its parts are called as they are.

    While torch traces, calls of every module of the process come here. Those of other threads, which run networks of
    their own meanwhile, are none of the block's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _fused_forward(block: nn.Module, tapped: Collection[nn.Module]) -> fx.GraphModule | None:
    """Return a block's forward with fused convolutions; None where there is nothing to fuse, or it cannot be traced."""
    try:
        with TURN:
            graph = _Tracer().trace(block)
    except (fx.proxy.TraceError, TypeError):  # what it does depends on the numbers in a tensor, or on its arguments
        return None
    traced = fx.GraphModule(block, graph)
    parts = {
        node: part
        for node in graph.nodes
        if node.op == "call_module" and not _is_heard(part := block.get_submodule(str(node.target)), tapped)
    }
    for node, part in parts.items():
        if type(part) is nn.Identity:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    found = 0
    for node, part in parts.items():
        if type(part) is nn.Conv2d and isinstance(part.padding, tuple) and part.padding_mode == "zeros":
            found += _fuse_at(graph, traced, node, part, parts, f"fused{found}")
    if not found:
        return None
    traced.recompile()
    return traced


def _fuse_at(
    graph: fx.Graph, traced: fx.GraphModule, node: fx.Node, convolution: nn.Conv2d, parts: dict[fx.Node, nn.Module],
    name: str,
) -> bool:  # fmt: skip
    """Fuse a convolution with the ReLU behind it, and with an addition between them; return whether it was."""
    reader = _only_reader(node)
    other = None
    if reader is not None and _is_addition(reader):
        other = reader.args[1] if reader.args[0] is node else reader.args[0]
        if not isinstance(other, fx.Node) or other is node:
            return False
        reader = _only_reader(reader)
    if reader is None or not _is_relu(reader, parts):
        return False
    traced.add_submodule(name, FusedConvolution(convolution))
    with graph.inserting_before(reader):
        arguments = (node.args[0],) if other is None else (node.args[0], other)
        fused = graph.call_module(name, arguments)
    reader.replace_all_uses_with(fused)
    graph.eliminate_dead_code()
    return True


def _only_reader(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is_addition(node: fx.Node) -> bool:
    by_function = node.op == "call_function" and node.target in ADDITIONS
    by_method = node.op == "call_method" and node.target in ("add", "add_")
    return (by_function or by_method) and len(node.args) == 2 and not node.kwargs


def _is_relu(node: fx.Node, parts: dict[fx.Node, nn.Module]) -> bool:
    if node.op == "call_module":
        return type(parts.get(node)) is nn.ReLU
    by_function = node.op == "call_function" and node.target in RELU_FUNCTIONS
    return by_function or (node.op == "call_method" and node.target in ("relu", "relu_"))


def _is_heard(part: nn.Module, tapped: Collection[nn.Module]) -> bool:
    return part in tapped or bool(part._forward_hooks or part._forward_pre_hooks)
