"""Which gates a network has, seen in one forward of noise, and how to read them."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.inference.copies import evaluating
from autola_analysis.inference.gate_watch import GateWatch, Origin, Product, suits

SIDES = (64, 224, 32)
"""Sides of the images that are tried, in pixels"""
CANNOT_RUN = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def gate_layers(model: nn.Module, side: int | None = None) -> list[str]:
    """Return the places of a network's gates, in order of definition.

    A gate is what a feature map ``(B, C, H, W)`` is multiplied by: numbers from 0 to 1, see `GateWatch`. Its place is
    the layer that puts it out; ``se*2`` is the second gate within a run of the layer ``se`` that no layer of its own
    puts out, as behind ``torch.sigmoid`` in a forward. The network runs on two images of noise, in evaluation mode; it
    is as before afterwards.

    Args:
        model: A network of images.
        side: Of the images it is made for, in pixels; None tries `SIDES`.

    Returns:
        Names for `tap`; none where the network cannot run on such images.
    """
    for tried in SIDES if side is None else (side,):
        try:
            found = _seen(model, _noise(model, tried))
        except CANNOT_RUN:  # of the network's own code, on a size that it was not made for
            continue
        order = {name: place for place, (name, _) in enumerate(model.named_modules())}
        return sorted(found, key=lambda layer: order[layer.split("*")[0].split("#")[0]])
    return []


def _noise(model: nn.Module, side: int) -> Tensor:
    """Return two images that suit the first convolution and the arithmetic of a network."""
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    weight = next((each for each in model.parameters() if each.is_floating_point()), torch.empty(0))
    channels = first.in_channels if first else 3
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0)).to(weight)


@dataclass
class _Run:
    """A layer that runs: its name with the number of the run, and the products with gates so far."""

    name: str
    products: int = 0


def _seen(model: nn.Module, images: Tensor) -> list[str]:
    """Run a network and return the places of its gates in the order of the products."""
    found: dict[Origin, str] = {}
    running: list[_Run] = []
    runs: Counter[str] = Counter()

    def notice(product: Product) -> None:
        for each in running:
            each.products += 1
        found.setdefault(product.origin, f"{running[-1].name}*{running[-1].products}")

    watch = GateWatch(notice)

    def enter(name: str, *_: Any) -> None:
        runs[name] += 1
        running.append(_Run(f"{name}#{runs[name]}"))

    def leave(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        run, known = running.pop(), watch.known(output)
        if name and known is not None and known.is_gate and known.origin.layer is None and suits(output, len(images)):
            known.origin.layer = run.name

    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[images.device] if images.is_cuda else []))
        stack.enter_context(torch.no_grad())
        stack.enter_context(evaluating(model))
        for name, module in model.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                stack.callback(module.register_forward_pre_hook(partial(enter, name)).remove)
                stack.callback(module.register_forward_hook(partial(leave, name)).remove)
        with watch:
            model(images)
    return [_shortened(origin.layer or place, runs) for origin, place in found.items()]


def _shortened(place: str, runs: Counter[str]) -> str:
    """Leave out the run of a layer that runs once."""
    name = place.split("#")[0]
    return place.replace(f"{name}#1", name, 1) if runs[name] == 1 else place
