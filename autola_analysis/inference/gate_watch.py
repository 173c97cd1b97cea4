"""Gates, found by what they do: numbers between 0 and 1 that multiply a feature map.

A function mode sees every call of torch's Python interface while a forward runs. It follows values whose range is known
by construction, from the sigmoid, softmax, tanh or clamp that bounds them through sums and products with numbers, so
that ``relu6(x + 3) / 6`` is as much a gate as ``sigmoid(x)``, whatever class of module makes the call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

BOUNDED = {
    "sigmoid": (0.0, 1.0), "special_expit": (0.0, 1.0), "hardsigmoid": (0.0, 1.0), "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0), "softsign": (-1.0, 1.0), "relu6": (0.0, 6.0),
}  # fmt: skip
"""Functions -> the range of their values"""
CLAMPS = {"clamp": ("min", "max"), "clip": ("min", "max"), "hardtanh": ("min_val", "max_val")}
"""Functions whose range is given -> the names of its ends"""
AFFINE: Mapping[str, Callable[[float, float], float]] = {
    **dict.fromkeys(("add", "iadd", "radd"), lambda x, number: x + number),
    **dict.fromkeys(("sub", "isub"), lambda x, number: x - number),
    "rsub": lambda x, number: number - x,
    **dict.fromkeys(("mul", "imul", "rmul", "multiply"), lambda x, number: x * number),
    **dict.fromkeys(("div", "idiv", "true_divide"), lambda x, number: x / number if number else math.nan),
}
"""Sums and products with a number -> what they do to a value"""
VIEWS = {
    "view", "reshape", "view_as", "reshape_as", "unflatten", "flatten", "unsqueeze", "squeeze", "permute", "transpose",
    "movedim", "contiguous", "clone", "detach", "to", "float", "type", "type_as", "__getitem__", "chunk", "split",
}  # fmt: skip
"""Functions that put out the same values in another shape or memory"""
SPREADS = {"expand", "expand_as", "broadcast_to", "repeat", "repeat_interleave", "interpolate"}
"""Functions that repeat values over positions"""
PRODUCTS = {"mul", "multiply", "imul", "rmul", "addcmul"}


@dataclass(eq=False)
class Origin:
    """Where the values of a gate come from.

    Attributes:
        layer: First layer that puts them out; None where none does.
    """

    layer: str | None = None


@dataclass(frozen=True)
class Bounded:
    """What is known of a tensor.

    Attributes:
        root: The tensor whose values it was made of, one by one.
        low: Its smallest possible value; None where it is not bounded.
        high: Its largest possible value.
        gate: The latest tensor on the way to it with values from 0 to 1, before they were repeated over positions
            or divided.
        origin: Of the gate.
    """

    root: Tensor
    low: float | None = None
    high: float | None = None
    gate: Tensor | None = None
    origin: Origin = field(default_factory=Origin)

    @property
    def is_gate(self) -> bool:
        """Whether the tensor itself is made of numbers from 0 to 1."""
        return self.low is not None and self.high is not None and self.low >= 0 and self.high <= 1


@dataclass(frozen=True)
class Product:
    """A feature map multiplied by a gate.

    Attributes:
        gate: Values from 0 to 1, ``(B, K)`` or ``(B, K, H, W)``, not yet repeated over positions or divided.
        origin: Where they come from.
        factor: What the feature map was multiplied by, made of the gate.
        result: The product.
    """

    gate: Tensor
    origin: Origin
    factor: Tensor
    result: Tensor


class GateWatch(TorchFunctionMode):
    """Notice every multiplication of a feature map ``(B, C, H, W)`` by a gate, in the forwards run in this context.

    An activation function such as ``x * sigmoid(x)`` is no gate: there the factor is made of nothing but the feature
    map's own value at that place. What torch calls from compiled code is not seen.

    Args:
        notice: Called with each such product.
    """

    def __init__(self, notice: Callable[[Product], None]) -> None:
        super().__init__()
        self._notice = notice
        # With the tensors themselves, so that no other takes the identity of one that is gone.
        self._known: dict[int, tuple[Tensor, Bounded]] = {}

    def known(self, tensor: Any) -> Bounded | None:
        """Return what is known of a tensor."""
        return self._known[id(tensor)][1] if id(tensor) in self._known else None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a call of torch's interface and note what it makes of gates."""
        kwargs = dict(kwargs or {})
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        plain = name if name in VIEWS else name.strip("_")
        operands = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor) and _number(each) is None]
        if len(operands) > 1 and plain in PRODUCTS:
            self._multiplied(operands[-2], operands[-1], result)
        elif operands:
            bounds = self._bounds(plain, operands[0], args, kwargs)
            for each in result if isinstance(result, (list, tuple)) else [result]:
                self._keep(plain, each, bounds)
        return result

    def _keep(self, name: str, result: Any, bounds: Bounded | None) -> None:
        if not isinstance(result, Tensor):
            return
        part = name in VIEWS and bounds is not None and result.numel() != bounds.root.numel()
        if bounds is None or (part and bounds.gate is None):
            self._known.pop(id(result), None)  # it may have been written over
            return
        known = bounds
        if name in VIEWS and bounds.gate is not None and result.numel() == bounds.gate.numel():
            known = replace(bounds, gate=result)
        elif name not in VIEWS and name not in SPREADS and bounds.is_gate:
            known = replace(bounds, gate=result, origin=Origin())
        self._known[id(result)] = result, known

    def _bounds(self, name: str, x: Tensor, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Bounded | None:
        """Return what is known of the result of a call on a tensor, apart from what the result itself adds."""
        before = self.known(x)
        root = before.root if before else x
        if name in BOUNDED:
            return Bounded(root, *BOUNDED[name])
        if name in CLAMPS:
            low, high = (_end(place, key, args, kwargs) for place, key in enumerate(CLAMPS[name], 1))
            return None if low is None or high is None else Bounded(root, low, high)
        if name in VIEWS:
            return before or Bounded(x)
        if name in SPREADS:
            return before
        others = [each for each in (*args, *kwargs.values()) if each is not x]
        number = _number(others[0]) if len(others) == 1 and name in AFFINE else None
        if number is None:
            return None
        if before is None or before.low is None or before.high is None:
            return before or Bounded(root)
        low, high = _moved(name, number, before.low, before.high)
        return replace(before, low=low, high=high)

    def _multiplied(self, a: Tensor, b: Tensor, result: Any) -> None:
        of_a, of_b = self.known(a), self.known(b)
        if not isinstance(result, Tensor):
            return
        self._known.pop(id(result), None)
        if of_a and of_b and of_a.gate is not None and of_b.gate is not None:  # gates multiplied are a gate
            self._keep("mul", result, Bounded(result, 0.0, 1.0) if of_a.is_gate and of_b.is_gate else None)
            return
        for value, of_value, factor, known in ((a, of_a, b, of_b), (b, of_b, a, of_a)):
            if known is None or known.gate is None or known.root is (of_value.root if of_value else value):
                continue
            if value.ndim == 4 and result.shape == value.shape:
                self._notice(Product(_per_image(known, factor, len(value)), known.origin, factor, result))


def _per_image(known: Bounded, factor: Tensor, images: int) -> Tensor:
    """Return a gate as ``(B, K)`` or ``(B, K, H, W)``, also where it is the same for all images."""
    assert known.gate is not None
    if suits(known.gate, images):
        return known.gate
    gate = factor if known.is_gate else known.gate
    return gate.reshape((1,) * (4 - gate.ndim) + gate.shape).expand(images, -1, -1, -1)


def suits(gate: Tensor, images: int) -> bool:
    """Return whether a gate is ``(B, K)`` or ``(B, K, H, W)``; others are seen as they are multiplied."""
    return gate.ndim in (2, 4) and len(gate) == images


def _moved(name: str, number: float, low: float, high: float) -> tuple[float, float]:
    """Return the range of values between `low` and `high` after a sum or product with a number."""
    ends = AFFINE[name](low, number), AFFINE[name](high, number)
    return min(ends), max(ends)


def _end(place: int, key: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    return _number(args[place] if len(args) > place else kwargs.get(key))


def _number(value: Any) -> float | None:
    """Return a number, or what a tensor of a single number holds; None for anything else."""
    if isinstance(value, Tensor):
        return float(value.detach()) if value.ndim <= 1 and value.numel() == 1 else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
