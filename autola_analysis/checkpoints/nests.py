"""The sets of weights in what a file holds: every mapping of tensors, however deep and under whatever key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

TOP = "."
"""What messages call the outermost dictionary."""


@dataclass(frozen=True, eq=False)
class Nest:
    """A mapping, list or module in a file, and where it lies.

    Attributes:
        content: The object; a module's state dict in place of the module.
        key: Under which its parent holds it.
        parent: What it lies in; None for the outermost.
        module: Class of the module whose state dict this is; None for what is no module.
    """

    content: Mapping[Any, Any] | Sequence[Any]
    key: object = None
    parent: Nest | None = None
    module: str | None = None

    @property
    def way(self) -> list[Nest]:
        """What leads to it, outermost first, itself last."""
        way, nest = [self], self.parent
        while nest is not None:
            way.append(nest)
            nest = nest.parent
        return way[::-1]

    @property
    def name(self) -> str:
        """Its keys, joined by dots, as ``--weights`` takes them."""
        return ".".join(str(nest.key) for nest in self.way[1:]) or TOP

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors that it holds by name."""
        if not isinstance(self.content, Mapping):
            return {}
        return {name: value.detach() for name, value in self.content.items() if _is_named_tensor(name, value)}


def weight_sets(content: object) -> tuple[list[Nest], list[Nest]]:
    """Find the mappings of tensors in the object that a file holds.

    A network's state dict has matrices or kernels called weight. Where a file holds such mappings, mappings without
    them (scores, statistics, running means of a metric) are beside the weights. An optimizer's state is no weights.

    Returns:
        The mappings that can be a network's weights, and all mappings that hold any tensor by name.
    """
    everything = [nest for nest in _nests(content) if nest.tensors]
    best = max((_likeness(nest) for nest in everything), default=0)
    return [nest for nest in everything if _likeness(nest) == best], everything


def nest_of(value: object, key: object = None, parent: Nest | None = None) -> Nest | None:
    """Return an object as a nest; None where nothing can lie in it."""
    if isinstance(value, nn.Module):
        return Nest(value.state_dict(), key, parent, type(value).__name__)
    is_nest = isinstance(value, Mapping | list | tuple)
    return Nest(value, key, parent) if is_nest else None  # type: ignore[arg-type]


def _nests(content: object) -> Iterator[Nest]:
    """Yield all nests in the order of the file; each object's content once, since a damaged file can hold itself."""
    opened: dict[int, object] = {}
    waiting = [nest_of(content)]
    while waiting:
        nest = waiting.pop()
        if nest is None or _is_optimizer(nest.content):
            continue
        yield nest
        if id(nest.content) in opened:
            continue
        opened[id(nest.content)] = nest.content
        items = nest.content.items() if isinstance(nest.content, Mapping) else enumerate(nest.content)
        waiting.extend(reversed([nest_of(value, key, nest) for key, value in items]))


def _is_optimizer(content: object) -> bool:
    return isinstance(content, Mapping) and "param_groups" in content


def _likeness(nest: Nest) -> int:
    """Return how much a mapping looks like weights: 2 with a weight of two or more dimensions, 1 with any vector."""
    tensors = nest.tensors.items()
    if any(tensor.ndim > 1 and "weight" in name for name, tensor in tensors):
        return 2
    return int(any(tensor.ndim for _, tensor in tensors))


def _is_named_tensor(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)
