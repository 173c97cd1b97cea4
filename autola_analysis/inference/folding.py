"""A faster copy of a network for inference: batch norms folded into convolutions, channels-last memory.

The caller's network is never touched. What may be folded is found by watching one forward: a batch norm whose input
is the very tensor that a convolution put out. What is true of that forward is not proof, so the copy is used only if a
probe batch shows the same logits and tapped activations.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from autola_analysis.inference.tap import tap

TOLERANCE = 1e-4
"""Largest difference on the probe batch, relative to the largest value of the logits or the layer."""


@dataclass(frozen=True)
class FastCopy:
    """A network ready to run.

    Attributes:
        model: A copy in evaluation mode.
        folded: Number of batch norms folded away.
        channels_last: Whether it wants channels-last inputs.
    """

    model: nn.Module
    folded: int
    channels_last: bool


@torch.inference_mode()
def fast_copy(model: nn.Module, layers: Sequence[str], probe: Tensor, fold: bool = True) -> FastCopy:
    """Return a copy of a network that puts out the same, faster where that is possible.

    Args:
        model: In any mode, on any device; stays as it is.
        layers: Tapped layers, which must put out the same too and are not folded themselves.
        probe: Standardised images ``(B, 3, H, W)``, on the device to run on.
        fold: Whether to try; False gives a plain copy.
    """
    plain = copy.deepcopy(model).eval().to(probe.device)
    if not fold:
        return FastCopy(plain, 0, False)
    fast = copy.deepcopy(plain)
    pairs = foldable_pairs(fast, layers, probe)
    for convolution, norm in pairs:
        conv2d, batch_norm = fast.get_submodule(convolution), fast.get_submodule(norm)
        assert isinstance(conv2d, nn.Conv2d)
        assert isinstance(batch_norm, nn.BatchNorm2d)
        fast.set_submodule(convolution, fuse_conv_bn_eval(conv2d, batch_norm))
        fast.set_submodule(norm, nn.Identity())
    fast = fast.to(memory_format=torch.channels_last)
    if _agree(plain, fast, layers, probe):
        return FastCopy(fast, len(pairs), True)
    return FastCopy(plain, 0, False)


def foldable_pairs(model: nn.Module, layers: Sequence[str], probe: Tensor) -> list[tuple[str, str]]:
    """Return the names of (convolution, batch norm) pairs that can become one convolution.

    Both run once in a forward, the norm reads the very tensor the convolution put out, neither is tapped.
    """
    calls: Counter[str] = Counter()
    made_by: dict[int, tuple[str, Tensor]] = {}
    pairs: list[tuple[str, str]] = []

    def watch_convolution(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] += 1
            made_by[id(output)] = (name, output)  # holding the tensor keeps its id from being used again

        return hook

    def watch_norm(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls[name] += 1
            if id(inputs[0]) in made_by:
                pairs.append((made_by[id(inputs[0])][0], name))

        return hook

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if module._forward_hooks or module._forward_pre_hooks:
                continue  # somebody else reads this module
            # Exact types: a subclass or a parametrised module may do more than its class says.
            if type(module) is nn.Conv2d:
                stack.callback(module.register_forward_hook(watch_convolution(name)).remove)
            elif type(module) is nn.BatchNorm2d and module.running_mean is not None:
                stack.callback(module.register_forward_pre_hook(watch_norm(name)).remove)
        model(probe)
    return [
        (convolution, norm)
        for convolution, norm in pairs
        if calls[convolution] == calls[norm] == 1 and not {convolution, norm} & set(layers)
    ]


def _agree(plain: nn.Module, fast: nn.Module, layers: Sequence[str], probe: Tensor) -> bool:
    with tap(plain, layers) as expected:
        expected_logits = plain(probe)
    with tap(fast, layers) as found:
        found_logits = fast(probe.contiguous(memory_format=torch.channels_last))
    pairs = [(expected_logits, found_logits), *((expected[layer], found[layer]) for layer in layers)]
    return all(bool((a - b).abs().max() <= TOLERANCE * a.abs().max()) for a, b in pairs)
