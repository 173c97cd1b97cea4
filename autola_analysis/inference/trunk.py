"""A copy of a network whose trunk, what runs before the first layer that a gradient is taken at, runs faster.

Above that layer rounding would flip the masks of ReLUs near zero, so that everything there stays as it is: weights,
memory format, order of the arithmetic. Below it only values are needed, and they are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import CopyError
from autola_analysis.inference.copies import copied_around_weights
from autola_analysis.inference.folding import fold, foldable_pairs, put_back, tapped_modules
from autola_analysis.inference.fusing import fuse, unfuse
from autola_analysis.inference.outputs import same_outputs, same_up_to_rounding
from autola_analysis.inference.precision import precision_of
from autola_analysis.inference.tap import tap

WORTH = 64
"""Images from which on a faster trunk is looked for: copying and comparing cost as much as some ten forwards of one
image save in fifty."""

OTHER_OUTPUT = "its faster copy puts out something else"


@dataclass(frozen=True)
class Trunk:
    """What runs where gradients are taken at layers.

    Attributes:
        model: The network, or a copy with a faster trunk.
        folded: Batch norms of the trunk that were folded away.
        fused: Blocks of the trunk whose convolutions carry out the ReLUs and additions behind them.
        reason: Why it is the network itself; "" for a copy.
    """

    model: nn.Module
    folded: int = 0
    fused: int = 0
    reason: str = ""

    def described(self) -> dict[str, int | str]:
        """Return what a record says of it, JSON-ready."""
        return {"batch_norms_folded": self.folded, "blocks_fused": self.fused, "as_it_is": self.reason}


def faster_trunk(model: nn.Module, layers: Sequence[str], probe: Tensor) -> Trunk:
    """Return a copy with a faster trunk that puts out the same for a probe, at the layers and in the end.

    Args:
        model: Takes images ``(B, C, H, W)``; it is as before afterwards.
        layers: Names of the layers that gradients are taken at, see `tap`; one at least.
        probe: A few standardised images, on the model's device and in its type.

    Raises:
        AutolaError: If a layer cannot be read, see `tap`.
    """
    with ExitStack() as stack:
        cuda = [probe.device] if probe.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(precision_of("float32", probe.device))
        try:
            copy = copied_around_weights(model)
        except CopyError as error:
            return Trunk(model, reason=f"it cannot be copied ({error.reason})")
        on_cpu = probe.device.type == "cpu"
        inputs = probe.contiguous(memory_format=torch.channels_last) if on_cpu else probe
        with tap(copy, layers) as activations:
            output = copy(inputs.clone())
            expected = dict(activations)

        def is_same() -> bool:
            with tap(copy, layers) as found:
                fast_output = copy(inputs.clone())
            same_layers = all(same_up_to_rounding(expected[layer], found[layer]) for layer in layers)
            return same_layers and same_outputs(output, fast_output)

        pairs, _ = foldable_pairs(copy, layers, inputs[:1], below=True)
        replaced = fold(copy, pairs)
        folded = len(replaced) // 2
        fused = fuse(copy, tapped_modules(copy, layers)) if on_cpu else []
        if fused and is_same():
            return Trunk(copy, folded, len(fused))
        unfuse(fused)
        if folded and is_same():
            return Trunk(copy, folded)
        put_back(copy, replaced)
        tried = folded or fused
        return Trunk(model, reason=OTHER_OUTPUT if tried else "nothing in it can be folded")
