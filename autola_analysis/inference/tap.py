"""Taps: reading what a layer puts out, without changing the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from autola_analysis.core.errors import LayerError
from autola_analysis.inference.layers import resolve_layers

Reduce = Callable[[str, Tensor], Any]
"""(layer, activation) -> whatever is kept of it"""


def keep_copy(layer: str, activation: Tensor) -> Tensor:
    """Copy the activation: operations that work in place may follow the tapped layer."""
    return activation.clone()


def single_output(layer: str, output: Any, kept: Mapping[str, Any]) -> Tensor:
    """Return the output of a layer, given what was kept before in the same forward.

    Raises:
        LayerError: If the layer has run before, or its output is not a tensor.
    """
    if not isinstance(output, Tensor):
        raise LayerError(f"layer {layer!r} puts out {type(output).__name__}, not a tensor; tap a layer inside it.")
    if layer in kept:
        raise LayerError(
            f"layer {layer!r} runs more than once in a forward (a module used at several places); "
            "tap the block around the place that is meant."
        )
    return output


@contextmanager
def tap(model: nn.Module, layers: Sequence[str], reduce: Reduce | None = None) -> Iterator[Mapping[str, Any]]:
    """Read what layers put out while the context lasts.

    Args:
        model: Any module; its hooks are as before when the context ends, also after an exception.
        layers: Names as ``model.named_modules()`` has them.
        reduce: Applied to each activation inside the forward, so that no full feature map outlives the layer that
            made it: ``reduce(layer, activation)``. None keeps a copy.

    Yields:
        A mapping layer -> what was kept of the latest forward; emptied when a forward begins.

    Raises:
        UnknownNameError: If the model has no such layer.
        LayerError: During a forward, if a layer runs twice in it (whose output is meant would be a guess) or puts
            out something else than a tensor.

    Example:
        >>> with tap(model, ["layer3"]) as activations:  # doctest: +SKIP
        ...     model(images)
        >>> activations["layer3"].shape  # doctest: +SKIP
        torch.Size([8, 64, 8, 8])
    """
    keep = reduce or keep_copy
    kept: dict[str, Any] = {}

    def hook_for(layer: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            kept[layer] = keep(layer, single_output(layer, output, kept))

        return hook

    def forget(module: nn.Module, inputs: Any) -> None:
        kept.clear()

    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(forget).remove)
        for layer in resolve_layers(model, layers):
            handle = model.get_submodule(layer).register_forward_hook(hook_for(layer))
            stack.callback(handle.remove)
        yield kept
