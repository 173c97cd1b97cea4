"""A faster copy of a network for inference: batch norms folded into convolutions, channels-last memory.

The caller's network is never touched. A batch norm is folded only if one watched forward shows that it reads the very
tensor that a convolution put out, unchanged, and that nothing else reads it; the copy is used only if a probe batch
then shows the same logits and tapped activations.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from autola_analysis.core.errors import DataError
from autola_analysis.inference.tap import tap

TOLERANCE = 1e-4
"""Largest difference on the probe batch, relative to the largest value of a channel."""
BATCH_DEPENDENCE = 1e-3
"""Difference between an image's logits alone and in a batch, relative to the largest, that rounding cannot explain."""
QUIET_CHANNEL = 0.05
"""Channels below this share of the layer's largest value are held to that share instead: theirs is rounding."""


@dataclass(frozen=True)
class FastCopy:
    """A network ready to run.

    Attributes:
        model: A copy in evaluation mode.
        folded: Number of batch norms folded away.
        channels_last: Whether it wants channels-last inputs.
        depends_on_batch: Whether an image's logits change with the other images of the batch, or by chance.
    """

    model: nn.Module
    folded: int
    channels_last: bool
    depends_on_batch: bool


def plain_copy(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy in evaluation mode on a device; the network stays as it is."""
    return copy.deepcopy(model).eval().to(device)


@torch.inference_mode()
def fast_copy(model: nn.Module, layers: Sequence[str], probe: Tensor, fold: bool = True) -> FastCopy:
    """Return a copy of a network that puts out the same, faster where that is possible.

    Args:
        model: In any mode, on any device; stays as it is.
        layers: Tapped layers, which must put out the same too and are not folded themselves.
        probe: A few standardised images ``(B, 3, H, W)``, on the device to run on.
        fold: Whether to try; False gives a plain copy.

    Raises:
        DataError: If the network does not put out logits ``(B, classes)``.
    """
    plain = plain_copy(model, probe.device)
    with tap(plain, layers) as expected:
        logits = plain(probe)
        expected = dict(expected)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise DataError(f"a network must put out one tensor of logits (B, classes); found {found}.")
    alone = plain(probe[:1])
    depends = bool(((alone - logits[:1]).abs() > BATCH_DEPENDENCE * logits.abs().max()).any())
    if fold:
        replaced = _fold(plain, layers, probe)
        with tap(plain, layers) as found_layers:
            found_logits = plain(probe.contiguous(memory_format=torch.channels_last))
        pairs = [(logits, found_logits), *((expected[layer], found_layers[layer]) for layer in layers)]
        if all(same_up_to_rounding(a, b) for a, b in pairs):
            return FastCopy(plain, len(replaced) // 2, True, depends)
        _unfold(plain, replaced)
    return FastCopy(plain, 0, False, depends)


def _fold(model: nn.Module, layers: Sequence[str], probe: Tensor) -> dict[str, nn.Module]:
    """Fold batch norms of a copy and turn it channels-last; returns the modules that were replaced, by name."""
    replaced: dict[str, nn.Module] = {}
    for convolution, norm in foldable_pairs(model, layers, probe[:1]):
        conv2d, batch_norm = model.get_submodule(convolution), model.get_submodule(norm)
        assert isinstance(conv2d, nn.Conv2d)
        assert isinstance(batch_norm, nn.BatchNorm2d)
        replaced[convolution], replaced[norm] = conv2d, batch_norm
        model.set_submodule(convolution, fuse_conv_bn_eval(conv2d, batch_norm))
        model.set_submodule(norm, nn.Identity())
    model.to(memory_format=torch.channels_last)
    return replaced


def _unfold(model: nn.Module, replaced: Mapping[str, nn.Module]) -> None:
    model.to(memory_format=torch.contiguous_format)
    for name, module in replaced.items():
        model.set_submodule(name, module)


def foldable_pairs(model: nn.Module, layers: Sequence[str], probe: Tensor) -> list[tuple[str, str]]:
    """Return the names of (convolution, batch norm) pairs that can become one convolution.

    Both run once in a forward; the norm, and nothing else, reads what the convolution put out; nobody else listens to
    either.
    """
    calls: Counter[str] = Counter()
    pairs: list[tuple[str, str]] = []
    with ExitStack() as stack:
        readers = stack.enter_context(_OtherReaders())

        def watch_convolution(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
                calls[name] += 1
                readers.watched[id(output)] = (name, output)  # held: its id must not be used again

            return hook

        def watch_norm(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
                calls[name] += 1
                if id(inputs[0]) in readers.watched:
                    pairs.append((readers.watched[id(inputs[0])][0], name))

            return hook

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
        if calls[convolution] == calls[norm] == 1
        and convolution not in readers.read_elsewhere
        and not {convolution, norm} & set(layers)
    ]


class _OtherReaders(TorchFunctionMode):
    """Notes which watched tensors an operation other than a batch norm takes in.

    Attributes:
        watched: id -> (name of the convolution, its output).
        read_elsewhere: Names of convolutions whose output is read, or changed in place, elsewhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watched: dict[int, tuple[str, Tensor]] = {}
        self.read_elsewhere: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") != "batch_norm" and any(True for _ in _tensors(result)):
            for tensor in _tensors((args, kwargs)):
                if id(tensor) in self.watched:
                    self.read_elsewhere.add(self.watched[id(tensor)][0])
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def same_up_to_rounding(expected: Tensor, found: Tensor) -> bool:
    """Return whether two activations ``(B, K, ...)`` differ by no more than float32 arithmetic explains."""
    largest = expected.abs().transpose(0, 1).flatten(1).amax(1)
    difference = (expected - found).abs().transpose(0, 1).flatten(1).amax(1)
    scale = largest.clamp(min=QUIET_CHANNEL * float(largest.max()))
    return bool((difference <= TOLERANCE * scale).all())
