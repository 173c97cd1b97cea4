"""What the first convolution of a network tells of the images that it was made for."""

from __future__ import annotations

from typing import Any

from torch import nn

IMAGENET_SIDE = 224
STEM_KERNEL, STEM_STRIDE = 7, 2
"""Of a first convolution that only networks for images of ImageNet's size have"""
PATCH_STRIDE = 4
"""Least stride of a first convolution that cuts an image into patches"""


def input_channels(model: nn.Module) -> int:
    """Return the channels of the images that a network takes: 1 where its first convolution takes one, else 3."""
    first = first_convolution(model)
    return 1 if first is not None and first.in_channels == 1 else 3


def input_side(model: nn.Module) -> int | None:
    """Return the side in pixels of the images that a network was made for, by its own record or its stem.

    timm's networks record it. A first convolution 7 x 7 of stride 2, or one that cuts patches, is made for the 224
    pixels of ImageNet; others tell nothing.
    """
    recorded: Any = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    if isinstance(recorded, dict) and recorded.get("input_size"):
        return int(recorded["input_size"][-1])
    first = first_convolution(model)
    if first is None:
        return None
    kernel, stride = min(first.kernel_size), min(first.stride)
    return IMAGENET_SIDE if stride >= PATCH_STRIDE or (kernel >= STEM_KERNEL and stride >= STEM_STRIDE) else None


def first_convolution(model: nn.Module) -> nn.Conv2d | None:
    """Return the first convolution in the order of the modules; None where there is none."""
    return next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
