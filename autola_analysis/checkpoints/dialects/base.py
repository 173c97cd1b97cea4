"""What a dialect is, the registry of dialects, and the choice between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from autola_analysis.attention import Genotype
from autola_analysis.core.errors import CheckpointError
from autola_analysis.core.registry import Registry

Renames = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Translation:
    """A state dict under our names.

    Attributes:
        state: Tensors by our names.
        dialect: Name of the dialect they were in.
        evidence: What showed the dialect, and what was translated.
    """

    state: dict[str, Tensor]
    dialect: str
    evidence: tuple[str, ...]


Adapt = Callable[[dict[str, Tensor], Genotype | None, Path], dict[str, Tensor]]


@dataclass(frozen=True)
class Dialect:
    """A naming scheme.

    Attributes:
        writer: Whose code writes it, for the evidence.
        mark: Pattern that some tensor's name matches in this dialect and in no other.
        renames: (pattern, replacement) pairs applied to every name in order.
        adapt: Further changes to the translated tensors, given the genotype that the user named.
    """

    writer: str
    mark: str
    renames: Renames = ()
    adapt: Adapt | None = None

    def marked(self, names: Iterable[str]) -> str | None:
        """Return the first name that shows this dialect, or None."""
        pattern = re.compile(self.mark)
        return next((name for name in names if pattern.search(name)), None)

    def rename(self, name: str) -> str:
        """Return our name for a tensor of this dialect."""
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


DIALECTS: Registry[Dialect] = Registry("checkpoint dialect")
FALLBACK = "torchvision"
"""The dialect of files that bear no mark: all ResNets here take their names from torchvision."""


def translate(state: Mapping[str, Tensor], path: Path, genotype: Genotype | None = None) -> Translation:
    """Recognise the dialect of a state dict and rename its tensors to ours.

    Args:
        state: Tensors by the names of the file, without wrapper prefixes.
        path: The file, for messages.
        genotype: The wiring that the user named, where a dialect does not show all of it.

    Raises:
        CheckpointError: If several dialects are marked, or two tensors get the same name.
    """
    marks = {name: mark for name in DIALECTS if (mark := DIALECTS.get(name).marked(state)) is not None}
    if len(marks) > 1:
        listed = "; ".join(f"{name} ({mark})" for name, mark in marks.items())
        raise CheckpointError(
            f"{path} mixes the names of several projects: {listed}; name the network with --arch FILE.py:function."
        )
    name, mark = next(iter(marks.items()), (FALLBACK, None))
    dialect = DIALECTS.get(name)
    renamed: dict[str, Tensor] = {}
    for old, tensor in state.items():
        new = dialect.rename(old)
        if new in renamed:
            raise CheckpointError(
                f"{path} holds two tensors for {new} ({old} is the second); name the network with "
                "--arch FILE.py:function."
            )
        renamed[new] = tensor
    if dialect.adapt is not None:
        renamed = dialect.adapt(renamed, genotype, path)
    shown = f"{mark} is a name that {dialect.writer} writes" if mark else f"names are those of {dialect.writer}"
    return Translation(renamed, name, (f"dialect {name}: {shown}",))


def flatten_pointwise(state: dict[str, Tensor], genotype: Genotype | None, path: Path) -> dict[str, Tensor]:
    """Turn the 1x1 convolutions of a squeeze-and-excitation gate into the linear layers that they are."""

    def flat(name: str, tensor: Tensor) -> Tensor:
        pointwise = tensor.ndim == 4 and tensor.shape[2:] == (1, 1)
        return tensor.flatten(1) if pointwise and re.search(r"\.attention\.gate\.fc[12]\.weight$", name) else tensor

    return {name: flat(name, tensor) for name, tensor in state.items()}
