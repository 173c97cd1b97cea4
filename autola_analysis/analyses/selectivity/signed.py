"""The refusal of a layer with negative activity, with the layer that the user probably meant."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import LayerError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.precision import fitting


@dataclass(frozen=True)
class SignedLayerRefusal:
    """Makes the error for a layer with negative activity, for which the index is not bounded.

    Attributes:
        variant: The network.
        preprocessing: What is done to raw images before the network sees them.
    """

    variant: Variant
    preprocessing: Preprocessing | None

    def __call__(self, layer: str, images: Tensor) -> LayerError:
        """Return the error for a layer that has shown negative activity in a batch ``(B, 3, H, W)``."""
        if self.preprocessing is not None and images.dtype == torch.uint8:
            images = self.preprocessing.normalize(images)
        nearest = nearest_rectified_layer(self.variant.model, images, layer)
        advice = f"the nearest layer behind a ReLU is {nearest!r}; or " if nearest else ""
        return LayerError(
            f"layer {layer!r} of {self.variant.title} has negative activity, for which the selectivity index is not "
            f"bounded; {advice}give --rectify to set negative values to zero."
        )


@torch.inference_mode()
def nearest_rectified_layer(model: nn.Module, images: Tensor, layer: str) -> str | None:
    """Return the layer without negative output that runs closest behind a layer, else closest before it.

    Args:
        model: The network; it is as before afterwards.
        images: Standardised images ``(B, 3, H, W)`` on the device to run on.
        layer: Name of the layer with negative activity.
    """
    order: list[tuple[str, bool]] = []

    def watch(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            order.append((name, bool(output.amin() >= 0)))

    with ExitStack() as stack:
        network = stack.enter_context(runnable(model, images.device)).model
        for name, module in network.named_modules():
            stack.callback(module.register_forward_hook(partial(watch, name)).remove)
        network(fitting(images, network).clone())  # it may work in place on its input
    names = [name for name, _ in order]
    once = Counter(names)
    if layer not in names:
        return None
    here = names.index(layer)
    behind = [name for name, rectified in order[here + 1 :] if rectified and name and once[name] == 1]
    before = [name for name, rectified in order[:here] if rectified and name and once[name] == 1]
    return behind[0] if behind else before[-1] if before else None
