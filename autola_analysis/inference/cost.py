"""What a network costs: parameters and multiply-adds."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """Size of a network.

    Attributes:
        parameters: Number of parameters.
        macs: Multiply-adds of one forward of one image, of convolutions and matrix products.
    """

    parameters: int
    macs: int


def cost_of(model: nn.Module, image_shape: tuple[int, int, int]) -> Cost:
    """Count parameters and multiply-adds for an image of shape ``(C, H, W)``; the model stays as it is."""
    counter = FlopCounterMode(display=False)
    image = torch.zeros(1, *image_shape)
    with torch.no_grad(), counter:
        copy.deepcopy(model).cpu().float().eval()(image)
    return Cost(sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2)
