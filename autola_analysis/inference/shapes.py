"""What every layer of a network puts out, seen in one forward."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.inference.copies import runnable
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
def layer_outputs(model: nn.Module, input_side: int) -> list[LayerOutput]:
    """Return the layers in the order in which they finish; the model stays as it is.

    Args:
        model: Takes ``(B, 3, input_side, input_side)``.
        input_side: In pixels.
    """
    outputs: list[LayerOutput] = []

    def watch(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if name and isinstance(output, Tensor):
            outputs.append(LayerOutput(name, type(module).__name__, tuple(output.shape[1:]), bool(output.amin() >= 0)))

    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, input_side, input_side, generator=generator)
    with ExitStack() as stack:
        watched = stack.enter_context(runnable(model, torch.device("cpu"))).model
        for name, module in watched.named_modules():
            stack.callback(module.register_forward_hook(partial(watch, name)).remove)
        watched(fitting(image, watched))
    return outputs
