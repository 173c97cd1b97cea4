"""A compiled forward for passes over many images.

Compiling takes half a minute to two minutes for a CIFAR ResNet on two cores. What it then saves, a tenth to a quarter
of the time of the folded channels-last copy (0.1 to 0.3 ms an image), earns that back after some hundred thousand
images: it does not pay for one pass over a CIFAR test set. Convolutions, which fill most of the time, stay as they are.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import OptionError
from autola_analysis.inference.outputs import Output, same_up_to_rounding
from autola_analysis.inference.tap import Reduce, tap
from autola_analysis.inference.tasks import Task


def check_compiler() -> None:
    """Check that there is a C++ compiler, which `torch.compile` needs.

    Raises:
        OptionError: If the one that torch would call is not installed.
    """
    command = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    if shutil.which(command) is None:
        raise OptionError(
            f"compiling needs a C++ compiler, and {command!r} is not found; install it or do not compile."
        )


class CompiledForward:
    """A network that is compiled for the shape of its first batch.

    Batches of another shape, such as a smaller last one, run as they are: each would be compiled anew. The first batch
    runs both ways; where the output or tapped activations differ by more than rounding, nothing runs compiled.

    Args:
        model: In evaluation mode.
        activations: What `tap` shows of the model, in copies.
        readers: Per reader the layers it wants and what it keeps of each.
        name: Of the model, for messages.
        task: What the output means.

    Attributes:
        kept: Per reader what it kept of the latest batch, by layer.
        agrees: Whether the compiled network put out the same for the first batch; None before it.
    """

    def __init__(
        self,
        model: nn.Module,
        activations: Mapping[str, Tensor],
        readers: Sequence[tuple[Sequence[str], Reduce]],
        name: str,
        task: Task,
    ) -> None:
        self.kept: list[dict[str, Any]] = [{} for _ in readers]
        self.agrees: bool | None = None
        self._model = model
        self._activations = activations
        self._readers = readers
        self._name = name
        self._task = task
        self._compiled = torch.compile(model, dynamic=False)
        self._shape = torch.Size()

    def __call__(self, inputs: Tensor) -> Output:
        """Return the output for a batch ``(B, 3, H, W)``; `kept` holds what its activations gave."""
        if self.agrees is None:
            self._shape = inputs.shape
            self.agrees = self._agree(inputs)
        compiled = self.agrees and inputs.shape == self._shape
        output: Output = self._compiled(inputs) if compiled else self._model(inputs)
        for (layers, reduce), kept in zip(self._readers, self.kept, strict=True):
            kept.clear()
            kept.update({layer: reduce(layer, self._activations[layer]) for layer in layers})
        return output

    def _agree(self, inputs: Tensor) -> bool:
        # Copies: the network may work in place on its input.
        expected, activations = self._model(inputs.clone()), dict(self._activations)
        try:
            found = self._compiled(inputs.clone())
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise OptionError(f"{self._name} cannot be compiled ({reason}); do not compile it.") from error
        # The taps must have seen both forwards.
        pairs = zip(activations.values(), self._activations.values(), strict=True)
        same_layers = all(a is not b and same_up_to_rounding(a, b) for a, b in pairs)
        return same_layers and self._task.same(expected, found)


@contextmanager
def compiled_forward(
    model: nn.Module, readers: Sequence[tuple[Sequence[str], Reduce]], name: str, task: Task
) -> Iterator[CompiledForward]:
    """Compile a network while the context lasts; its hooks are as before afterwards.

    Tapped activations leave the compiled network as copies and are reduced behind it, so that what was compared on the
    first batch is what the readers see; they live until the batch is done.
    """
    layers = list(dict.fromkeys(layer for wanted, _ in readers for layer in wanted))
    with tap(model, layers) as activations:
        yield CompiledForward(model, activations, readers, name, task)
