"""What to say about a layer with negative activity: which layer the user probably meant."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.inference.folding import plain_copy


@torch.inference_mode()
def nearest_rectified_layer(model: nn.Module, images: Tensor, layer: str) -> str | None:
    """Return the layer without negative output that runs closest behind a layer, else closest before it.

    Args:
        model: The network; it is copied.
        images: Standardised images ``(B, 3, H, W)`` on the device to run on.
        layer: Name of the layer with negative activity.
    """
    copy = plain_copy(model, images.device)
    order: list[tuple[str, bool]] = []

    def watch(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            order.append((name, bool(output.amin() >= 0)))

    with ExitStack() as stack:
        for name, module in copy.named_modules():
            stack.callback(module.register_forward_hook(partial(watch, name)).remove)
        copy(images)
    names = [name for name, _ in order]
    once = Counter(names)
    if layer not in names:
        return None
    here = names.index(layer)
    behind = [name for name, rectified in order[here + 1 :] if rectified and name and once[name] == 1]
    before = [name for name, rectified in order[:here] if rectified and name and once[name] == 1]
    return behind[0] if behind else before[-1] if before else None
