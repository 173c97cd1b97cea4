"""Guided backpropagation's ReLU, found in whatever form a network writes it.

A function mode sees every call of torch's Python interface while a forward runs. Calls that are a ReLU are recorded
with a backward rule that can be switched afterwards, so that one forward serves a plain and a guided backward pass.
The forward itself is the network's own call: the logits are those of a plain run, and in-place forms write through
their tensor. No module is replaced and no hook is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from autola_analysis.inference.evaluation_norm import EvaluationNorm, scale_of_norm

# fmt: off
ORDINARY = frozenset({
    "relu6", "hardtanh", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu",
    "gelu", "silu", "mish", "hardswish", "hardsigmoid", "softplus", "softsign",
    "hardshrink", "softshrink", "tanhshrink", "logsigmoid", "glu", "sigmoid", "tanh",
})
# fmt: on
"""Activations that keep their own gradient and are named."""
RECTIFY = "RectifyBackward"
"""What torch calls the node of `Rectify` in a graph"""


@dataclass(frozen=True)
class _Form:
    """A call that is a ReLU.

    Attributes:
        in_place: Whether it writes into its argument.
        saves_result: Whether the result tells where the gradient passes, as for ``relu``, which torch itself saves.
        zero_passes: Whether the plain gradient passes where the input is zero, as ``clamp`` has it.
    """

    in_place: bool
    saves_result: bool
    zero_passes: bool


class GuidedReLU(TorchFunctionMode):
    """Record every ReLU of the forwards run in this context.

    ``relu``, ``clamp(min=0)``, ``clamp_min(0)``, ``clip(min=0)`` and ``threshold(0, 0)`` are seen as functions, as
    methods of tensors, in place, and inside modules. What torch calls from compiled code is not.

    Attributes:
        guided: Which rule backward passes follow from now on: False, the plain gradient; True, a gradient passes where
            the input was positive and the gradient is positive.
        met: Number of ReLUs recorded.
        outside: Number of ReLUs that ran outside of the graph, as under ``no_grad``.
        ordinary: Names of the activations met that keep their own gradient.

    References:
        Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for Simplicity: The All Convolutional Net",
        ICLR 2015 workshop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guided = False
        self.met = 0
        self.outside = 0
        self.ordinary: set[str] = set()

    def leave_ordinary(self, nodes: Iterable[Any]) -> None:
        """Let the ReLUs among some nodes of the graph keep their own gradient."""
        for node in nodes:
            if node.name() == RECTIFY:
                node.guidable = False
                self.met -= 1
                self.ordinary.add("relu (in a gate)")

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a call of torch's interface, recorded if it is a ReLU in the graph."""
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "").partition(".")[0]
        x, rest, options = _argument(args, kwargs)
        if not isinstance(x, Tensor) or not x.requires_grad or not torch.is_grad_enabled():
            self.outside += isinstance(x, Tensor) and _form(name, rest, options) is not None
            return func(*args, **kwargs)
        form = _form(name, rest, options)
        if (scale := scale_of_norm(func, x, rest, options)) is not None:
            return EvaluationNorm.apply(x, lambda tensor: func(tensor, *rest, **options), scale)
        if form is None:
            self._note(name.strip("_"), rest, options)
            return func(*args, **kwargs)
        self.met += 1
        if form.in_place and x.grad_fn is not None and x.grad_fn.name() == RECTIFY:
            return x  # rectified already: the call changes nothing, and writing would spoil what the first one saved
        return Rectify.apply(x, lambda tensor: func(tensor, *rest, **options), form, self)

    def _note(self, plain: str, rest: Sequence[Any], options: Mapping[str, Any]) -> None:
        if plain in ORDINARY:
            low, high = _bounds(rest, options, "min_val", "max_val")
            is_relu6 = plain == "hardtanh" and (low, high) == (0, 6)  # as the module ReLU6 calls it
            self.ordinary.add("relu6" if is_relu6 else plain)
        elif plain in ("clamp", "clip"):
            low, high = _bounds(rest, options)
            if _is_zero(low):
                self.ordinary.add(f"{plain}(0, {high})")
        elif plain in ("maximum", "max") and rest and isinstance(rest[0], Tensor) and _is_zero(rest[0]):
            self.ordinary.add(f"{plain}(x, 0)")


class Rectify(torch.autograd.Function):
    """A ReLU whose backward rule is decided when the backward pass runs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Callable[[Tensor], Tensor], form: _Form, mode: GuidedReLU) -> Tensor:
        """Run the network's own call."""
        ctx.mode = mode
        ctx.guidable = True
        # What is written through a view shares its version with the other parts of the base, so the result is no proof.
        saves_result = form.saves_result and not (form.in_place and x._is_view())
        masks = () if saves_result else (x > 0, *((x >= 0,) if form.zero_passes else ()))
        ctx.has_masks = bool(masks)
        result = call(x)
        if form.in_place:
            ctx.mark_dirty(x)
        ctx.save_for_backward(*(masks or (result,)))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Pass the gradient on by the rule of the moment."""
        (gradient,) = gradients
        saved, guided = ctx.saved_tensors, ctx.mode.guided and ctx.guidable
        if ctx.has_masks:
            passed = gradient * (saved[0] if guided else saved[-1])
        else:
            passed = torch.ops.aten.threshold_backward(gradient, saved[0], 0)  # torch's own backward of relu
        return passed.clamp_(min=0) if guided else passed, None, None, None


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Split the arguments of a call into its tensor and the rest."""
    if args:
        return args[0], args[1:], kwargs
    for key in ("input", "self"):
        if key in kwargs:
            return kwargs[key], (), {name: value for name, value in kwargs.items() if name != key}
    return None, (), kwargs


def _form(name: str, rest: Sequence[Any], options: Mapping[str, Any]) -> _Form | None:
    """Return what kind of ReLU a call is; None where it is none."""
    in_place = name.endswith("_") or bool(options.get("inplace", False))
    match name.strip("_"):
        case "relu":
            return _Form(in_place or bool(rest and rest[0]), True, False)
        case "threshold":
            threshold, value = _bounds(rest, options, "threshold", "value")
            if _is_zero(threshold) and _is_zero(value):
                return _Form(in_place or bool(len(rest) > 2 and rest[2]), False, False)
        case "clamp" | "clip":
            low, high = _bounds(rest, options)
            if _is_zero(low) and high is None:
                return _Form(in_place, False, True)
        case "clamp_min":
            if _is_zero(rest[0] if rest else options.get("min")):
                return _Form(in_place, False, True)
    return None


def _bounds(rest: Sequence[Any], options: Mapping[str, Any], low: str = "min", high: str = "max") -> tuple[Any, Any]:
    return rest[0] if rest else options.get(low), rest[1] if len(rest) > 1 else options.get(high)


def _is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.requires_grad and value.item() == 0
    return isinstance(value, (int, float)) and value == 0
