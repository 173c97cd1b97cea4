"""A faster copy of a network for inference: batch norms folded into convolutions, channels-last memory.

The caller's network is never touched. A batch norm is folded only if one watched forward shows that it reads the very
tensor that a convolution put out, unchanged, and that nothing else reads it; the copy is used only if a probe batch
then shows the same output and tapped activations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from autola_analysis.inference.copies import Runnable
from autola_analysis.inference.fusing import fuse, unfuse
from autola_analysis.inference.outputs import Output, same_up_to_rounding, tensors_of
from autola_analysis.inference.places import places_of
from autola_analysis.inference.tap import tap
from autola_analysis.inference.tasks import Classification, Task


@dataclass(frozen=True)
class FastCopy:
    """A network ready to run.

    Attributes:
        model: In evaluation mode.
        fast: Whether it is other than a plain copy.
        folded: Number of batch norms folded away.
        fused: Number of blocks whose convolutions carry out the ReLUs and additions behind them.
        channels_last: Whether it wants channels-last inputs.
        depends_on_batch: Whether the output for an image changes with the other images of the batch, or by chance.
        output: What the network puts out for the probe.
        uncopied: Why it is no copy, see `Runnable`.
    """

    model: nn.Module
    fast: bool
    folded: int
    fused: int
    channels_last: bool
    depends_on_batch: bool
    output: Output
    uncopied: str = ""


def prefers_channels_last(device: torch.device, precision: str) -> bool:
    """Return whether convolutions run faster channels-last.

    On a GPU only those of tensor cores do. In float32 cuDNN has none channels-last: it brought every input and output
    of a ResNet-50's convolutions into the other format and back, a seventh of the time on an H200.
    """
    return device.type != "cuda" or precision != "float32"


@torch.inference_mode()
def fast_copy(
    ready: Runnable,
    layers: Sequence[str],
    probe: Tensor,
    folding: bool = True,
    task: Task | None = None,
    channels_last: bool = True,
    fusing: bool = True,
) -> FastCopy:
    """Make a copy of a network faster where it then puts out the same; a network that is no copy runs as it is.

    Args:
        ready: The copy, which is changed, on the device of the probe.
        layers: Tapped layers, which must put out the same too and are not folded themselves.
        probe: A few standardised images ``(B, 3, H, W)``, in the network's type; they stay as they are.
        folding: Whether to try.
        task: What the output means; None is classification.
        channels_last: Whether the faster copy is channels-last.
        fusing: Whether to try to fuse what `fuse` can, on a CPU; a compiler does that itself.

    Raises:
        DataError: If the network does not put out what the task asks for.
    """
    task = task or Classification()
    plain = ready.model
    with tap(plain, layers) as expected:
        output = plain(probe.clone())
        expected = dict(expected)
    task.check(output, len(probe))
    folding = folding and not ready.uncopied
    pairs, alone = foldable_pairs(plain, layers, probe[:1]) if folding else ([], plain(probe[:1].clone()))
    depends = task.depends_on_batch(alone, output)
    if folding:
        memory_format = torch.channels_last if channels_last else torch.contiguous_format

        def is_same() -> bool:
            with tap(plain, layers) as found:
                fast_output = plain(probe.clone(memory_format=memory_format))
            same_layers = all(same_up_to_rounding(expected[layer], found[layer]) for layer in layers)
            return same_layers and task.same(output, fast_output)

        replaced = fold(plain, pairs)
        plain.to(memory_format=memory_format)
        folded = len(replaced) // 2
        fused = (
            fuse(plain, tapped_modules(plain, layers))
            if fusing and channels_last and probe.device.type == "cpu"
            else []
        )
        if fused and is_same():
            return FastCopy(plain, True, folded, len(fused), channels_last, depends, output, ready.uncopied)
        unfuse(fused)
        if is_same():
            return FastCopy(plain, True, folded, 0, channels_last, depends, output, ready.uncopied)
        plain.to(memory_format=torch.contiguous_format)
        put_back(plain, replaced)
    return FastCopy(plain, False, 0, 0, False, depends, output, ready.uncopied)


def tapped_modules(model: nn.Module, layers: Sequence[str]) -> list[nn.Module]:
    """Return the modules whose outputs are read at some layers."""
    return [model.get_submodule(place.module) for place in places_of(model, layers)]


def fold(model: nn.Module, pairs: Sequence[tuple[str, str]]) -> dict[str, nn.Module]:
    """Fold batch norms of a copy into convolutions; return the modules that were replaced, by name."""
    replaced: dict[str, nn.Module] = {}
    for convolution, norm in pairs:
        conv2d, batch_norm = model.get_submodule(convolution), model.get_submodule(norm)
        assert isinstance(conv2d, nn.Conv2d)
        assert isinstance(batch_norm, nn.BatchNorm2d)
        replaced[convolution], replaced[norm] = conv2d, batch_norm
        model.set_submodule(convolution, fuse_conv_bn_eval(conv2d, batch_norm))
        model.set_submodule(norm, nn.Identity())
    return replaced


def put_back(model: nn.Module, replaced: Mapping[str, nn.Module]) -> None:
    """Undo what `fold` did."""
    for name, module in replaced.items():
        model.set_submodule(name, module)


def foldable_pairs(
    model: nn.Module, layers: Sequence[str], probe: Tensor, below: bool = False
) -> tuple[list[tuple[str, str]], Output]:
    """Return the names of (convolution, batch norm) pairs that can become one convolution, and the watched output.

    Both run once in a forward; the norm, and nothing else, reads what the convolution put out; nobody else listens to
    either.

    Args:
        model: In evaluation mode.
        layers: Tapped layers.
        probe: Standardised images ``(B, 3, H, W)``.
        below: Whether only what runs before the first of the layers has put out something counts.
    """
    places = places_of(model, layers)
    tapped = {place.module for place in places}
    reached: list[str] = []
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
                if id(inputs[0]) in readers.watched and not (below and reached):
                    pairs.append((readers.watched[id(inputs[0])][0], name))

            return hook

        heard = {name for name, module in model.named_modules() if module._forward_hooks or module._forward_pre_hooks}
        for place in places:
            layer = model.get_submodule(place.module)
            # A gate is read while its layer runs.
            register = layer.register_forward_hook if place.gate is None else layer.register_forward_pre_hook
            stack.callback(register(lambda *_: reached.append("")).remove)
        for name, module in model.named_modules():
            if name in heard:
                continue  # somebody else reads this module
            # Exact types: a subclass or a parametrised module may do more than its class says.
            if type(module) is nn.Conv2d:
                stack.callback(module.register_forward_hook(watch_convolution(name)).remove)
            elif type(module) is nn.BatchNorm2d and module.running_mean is not None:
                stack.callback(module.register_forward_pre_hook(watch_norm(name)).remove)
        output = model(probe.clone())
    foldable = [
        (convolution, norm)
        for convolution, norm in pairs
        if calls[convolution] == calls[norm] == 1
        and convolution not in readers.read_elsewhere
        and not {convolution, norm} & tapped
    ]
    return foldable, output


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
        if getattr(func, "__name__", "") != "batch_norm" and any(True for _ in tensors_of(result)):
            for tensor in tensors_of((args, kwargs)):
                if id(tensor) in self.watched:
                    self.read_elsewhere.add(self.watched[id(tensor)][0])
        return result
