"""Random weights, part by part: what a network knew before training."""

from __future__ import annotations

import torch
from torch import nn

BACKBONE, BODY, PROPOSING = "backbone", "backbone.body", "rpn"
"""Parts of detectors, as torchvision calls them"""


def cascade(model: nn.Module) -> list[str]:
    """Return the parts of a network that hold parameters, from the head to the stem: its children, last first.

    Of a wrapper with a single child that holds parameters, that child's children are taken.
    """
    prefix = ""
    while True:
        parts = _holding_parameters(model, prefix)
        if len(parts) != 1 or not list(model.get_submodule(parts[0]).children()):
            return parts
        prefix = parts[0]


def cascade_of_detector(model: nn.Module) -> list[str]:
    """Return the parts of a detector that the score of a candidate passes through, from the head to the stem.

    The backbone counts by the parts of its body and what stands on it. What proposes regions is none: the candidate
    stays where it is.
    """
    parts = []
    for part in _holding_parameters(model, ""):
        if part != BACKBONE:
            parts += [part] if part != PROPOSING else []
            continue
        for inside in _holding_parameters(model, BACKBONE):
            parts += _holding_parameters(model, BODY) if inside == BODY else [inside]
    return parts


def _holding_parameters(model: nn.Module, prefix: str) -> list[str]:
    """Return the names of a module's children that hold parameters, last first."""
    children = model.get_submodule(prefix).named_children()
    return [f"{prefix}.{name}".lstrip(".") for name, child in children if list(child.parameters())][::-1]


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
