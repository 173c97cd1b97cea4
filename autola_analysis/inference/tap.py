"""Taps: reading what a layer puts out, without changing the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from autola_analysis.inference.gate_watch import GateWatch, Product
from autola_analysis.inference.layers import resolve_places
from autola_analysis.inference.places import Place, Runs

Reduce = Callable[[str, Tensor], Any]
"""(layer, activation) -> whatever is kept of it"""


def keep_copy(layer: str, activation: Tensor) -> Tensor:
    """Copy the activation: operations that work in place may follow the tapped layer."""
    return activation.clone()


@contextmanager
def tap(model: nn.Module, layers: Sequence[str], reduce: Reduce | None = None) -> Iterator[Mapping[str, Any]]:
    """Read what layers put out while the context lasts.

    Args:
        model: Any module; its hooks are as before when the context ends, also after an exception.
        layers: Names as ``model.named_modules()`` has them, which may leave out what stands around the stages of a
            detector; ``"relu#2"`` is the second run of a layer in a forward, ``"encoder[0]"`` and ``"backbone[feat]"``
            are entries of outputs that are tuples and dicts, ``"se*1"`` is the first gate that a feature map is
            multiplied by while the layer ``se`` runs.
        reduce: Applied to each activation inside the forward, so that no full feature map outlives the layer that
            made it: ``reduce(layer, activation)``. None keeps a copy.

    Yields:
        A mapping layer -> what was kept of the latest forward, by the name that was asked for; emptied when a forward
        begins. Maps are ``(B, C, H, W)``, also of layers that put out ``(B, H, W, C)``, see `channel_axis`.

    Raises:
        UnknownNameError: If the model has no such layer.
        LayerError: During a forward, if a layer runs twice in it and the name does not say which run is meant, does
            not run, or not as often as the name says, or puts out something else than a tensor.

    Example:
        >>> with tap(model, ["layer3"]) as activations:  # doctest: +SKIP
        ...     model(images)
        >>> activations["layer3"].shape  # doctest: +SKIP
        torch.Size([8, 64, 8, 8])
    """
    keep = reduce or keep_copy
    kept: dict[str, Any] = {}
    runs = Runs(model)

    def hook_for(place: Place) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            activation = runs.activation(place, output, kept)
            if activation is not None:
                kept[place.name] = keep(place.name, activation)

        return hook

    def forget(module: nn.Module, inputs: Any) -> None:
        kept.clear()
        runs.begin(inputs)

    def check(module: nn.Module, inputs: Any, output: Any) -> None:
        runs.check(places, kept)

    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(forget).remove)
        places = resolve_places(model, layers)
        for place in places:
            module, hook = model.get_submodule(place.module), hook_for(place)
            if place.gate is None:
                stack.callback(module.register_forward_hook(hook).remove)
            else:
                stack.enter_context(_gate_tap(module, place.gate, partial(hook, module, None)))
        if places:
            stack.callback(model.register_forward_hook(check).remove)
        yield kept


@contextmanager
def _gate_tap(module: nn.Module, number: int, take: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand on what a module multiplies a feature map by, while the context lasts.

    Args:
        module: The module in whose run the product is made.
        number: Which product with a gate in that run, from 1.
        take: Called with the gate.
    """
    running: list[ExitStack] = []

    def enter(*_: Any) -> None:
        left = iter(range(number - 1, -1, -1))

        def notice(product: Product) -> None:
            if next(left, None) == 0:
                take(product.gate)

        running.append(ExitStack())
        running[-1].enter_context(GateWatch(notice))

    def leave(*_: Any) -> None:
        running.pop().close()

    with ExitStack() as stack:
        stack.callback(module.register_forward_pre_hook(enter).remove)
        stack.callback(module.register_forward_hook(leave, always_call=True).remove)
        yield
