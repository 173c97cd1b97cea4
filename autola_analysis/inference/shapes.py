"""What every layer of a network puts out, seen in one forward."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.inference.copies import runnable
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.precision import fitting


@dataclass(frozen=True)
class LayerOutput:
    """The output of one layer for one image of noise.

    Attributes:
        layer: Name.
        kind: Class of the module.
        shape: Without the batch dimension.
        non_negative: Whether no value was negative, as behind a ReLU.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    non_negative: bool


@torch.inference_mode()
def layer_outputs(model: nn.Module, shape: tuple[int, int, int], name: str = "the network") -> list[LayerOutput]:
    """Return the layers in the order in which they finish; the model stays as it is.

    Args:
        model: Takes ``(B, *shape)``.
        shape: Of an image, ``(C, H, W)``.
        name: Of the network, for messages.

    Raises:
        DataError: If the network cannot run on such images.
    """
    outputs: list[LayerOutput] = []

    def watch(layer: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if layer and isinstance(output, Tensor):
            outputs.append(LayerOutput(layer, type(module).__name__, tuple(output.shape[1:]), bool(output.amin() >= 0)))

    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, *shape, generator=generator)
    with ExitStack() as stack:
        watched = stack.enter_context(runnable(model, torch.device("cpu"))).model
        for layer, module in watched.named_modules():
            stack.callback(module.register_forward_hook(partial(watch, layer)).remove)
        with forward_of(name, shape, "give --crop N for images of N x N pixels"):
            watched(fitting(image, watched))
    return outputs
