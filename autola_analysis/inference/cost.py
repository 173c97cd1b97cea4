"""What a network costs: parameters and multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autola_analysis.inference.copies import runnable
from autola_analysis.inference.precision import fitting


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
    with torch.no_grad(), runnable(model) as ready:
        weight = next(model.parameters(), torch.zeros(()))
        image = torch.zeros(1, *image_shape, device=weight.device)
        with counter:
            ready.model(fitting(image, model))
    return Cost(sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2)
