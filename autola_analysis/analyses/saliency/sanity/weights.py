"""Random weights, part by part: what a network knew before training."""

from __future__ import annotations

import torch
from torch import nn


def cascade(model: nn.Module) -> list[str]:
    """Return the parts of a network that hold parameters, from the head to the stem: its children, last first.

    Of a wrapper with a single child that holds parameters, that child's children are taken.
    """
    prefix = ""
    while True:
        module = model.get_submodule(prefix)
        parts = [f"{prefix}.{name}".lstrip(".") for name, child in module.named_children() if list(child.parameters())]
        if len(parts) != 1 or not list(model.get_submodule(parts[0]).children()):
            return parts[::-1]
        prefix = parts[0]


def randomise(module: nn.Module, seed: int) -> None:
    """Draw the parameters of a module and of everything inside it anew, in place, as before training.

    Modules that know how to initialise themselves do, batch norms with their statistics; other parameters are drawn
    from a normal distribution with their own standard deviation.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.no_grad():
        torch.manual_seed(seed)
        for part in module.modules():
            own = list(part.parameters(recurse=False))
            reset = getattr(part, "reset_parameters", None)
            if not own:
                continue
            device = own[0].device
            if callable(reset):
                part.to("cpu")  # the same numbers whatever the device
                reset()
                part.to(device)
                continue
            for parameter in own:
                spread = parameter.std() if parameter.numel() > 1 else parameter.abs()
                parameter.copy_(torch.randn(parameter.shape).to(device) * spread.nan_to_num())
