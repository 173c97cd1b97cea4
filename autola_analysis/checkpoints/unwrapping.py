"""From the object in a file to the flat state dict in it, with a record of what was around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from autola_analysis.checkpoints.nests import Nest, nest_of, weight_sets
from autola_analysis.core.errors import CheckpointError

_LONGEST_NAME = 500
_SHOWN = 8

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class Unwrapped:
    """A flat state dict and what it was wrapped in.

    Attributes:
        state: Tensors by name.
        stripped: What was taken off, outermost first: dictionary keys, a module's class.
        leftovers: What else lay beside the weights ("epoch: 12").
    """

    state: StateDict
    stripped: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()


def unwrap(content: object, path: Path, weights: str | None = None) -> Unwrapped:
    """Find the state dict inside what a file holds.

    Every mapping of tensors is a candidate, whatever its key. The only one is taken; several are never chosen from. A
    whole module gives its state dict.

    Args:
        content: The object in the file.
        path: The file, for messages.
        weights: Which of several, where the user said so: its keys joined by dots (``model_ema``, ``ema.shadow``), or
            what the tensors' names in it begin with (``student``).

    Raises:
        CheckpointError: If there are no tensors, several candidates, or none by the given name.
    """
    if nest_of(content) is None:
        raise CheckpointError(
            f"{path} holds {_describe(content)} where a state dict (tensors by name) is expected; save "
            "model.state_dict()."
        )
    candidates, everything = weight_sets(content)
    if not candidates:
        raise _no_weights(content, path)
    nest, beginning = _named(weights, candidates, everything, path) if weights else (_only(candidates, path), "")
    state = {name: tensor for name, tensor in nest.tensors.items() if name.startswith(beginning)}
    _check_names(state, path)
    return Unwrapped(state, _stripped(nest), _leftovers(nest, state))


def _only(candidates: Sequence[Nest], path: Path) -> Nest:
    if len(candidates) > 1:
        raise CheckpointError(
            f"{path} holds several sets of weights ({_listed(candidates)}), and they may be different networks; "
            f"choose one with --weights KEY, e.g. --weights {_name(candidates[0].name)}."
        )
    return candidates[0]


def _named(weights: str, candidates: Sequence[Nest], everything: Sequence[Nest], path: Path) -> tuple[Nest, str]:
    """Return the set of weights that the user named, and what the names of the tensors meant begin with."""
    for nest in everything:
        if nest.name == weights:
            return nest, ""
    # Names of tensors can follow the keys; the only candidate needs no keys.
    ways = [(nest, weights.removeprefix(f"{nest.name}.")) for nest in everything if weights.startswith(f"{nest.name}.")]
    for nest, name in [*ways, *((nest, weights) for nest in candidates if len(candidates) == 1)]:
        beginning = name.rstrip(".") + "."
        if any(tensor.startswith(beginning) for tensor in nest.tensors):
            return nest, beginning
    raise CheckpointError(
        f"{path} holds no weights under {weights!r}; there are {_listed(candidates)}, and --weights takes one of "
        "these, or what the tensors' names begin with."
    )


def _listed(candidates: Sequence[Nest]) -> str:
    more = f" and {len(candidates) - _SHOWN} more" if len(candidates) > _SHOWN else ""
    return ", ".join(repr(_name(nest.name)) for nest in candidates[:_SHOWN]) + more


def _stripped(nest: Nest) -> tuple[str, ...]:
    stripped = []
    for level in nest.way:
        if level.parent is not None:
            stripped.append(f"dictionary key {_name(level.key)!r}")
        if level.module is not None:
            stripped.append(f"module object {level.module}")
    return tuple(stripped)


def _leftovers(nest: Nest, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Say what else lay at every level on the way to the weights."""
    leftovers: list[str] = []
    for level, inner in zip(nest.way, [*nest.way[1:], None], strict=True):
        if isinstance(level.content, Mapping):
            taken = nest.tensors if inner is None else {inner.key: None}
            beside = [(name, value) for name, value in level.content.items() if name not in taken]
            leftovers.extend(f"{_name(name)}: {_describe(value)}" for name, value in beside)
    if others := [name for name in nest.tensors if name not in state]:
        leftovers.append(f"{len(others)} tensors with other names: {_name(others[0])} ...")
    return tuple(leftovers)


def _check_names(state: StateDict, path: Path) -> None:
    """Refuse names that no network has, and that would spoil every message with them."""
    for name in state:
        if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise CheckpointError(
                f"{path} holds a tensor with an impossible name ({_name(name)}); the file is damaged, so copy or "
                "download it again."
            )


def _no_weights(content: object, path: Path) -> CheckpointError:
    keys = list(content) if isinstance(content, Mapping) else []
    shown = ", ".join(map(_name, keys[:5])) or "nothing"
    tensors = isinstance(content, Mapping) and any(isinstance(value, Tensor) for value in content.values())
    named = " that have texts for names" if tensors else ""
    return CheckpointError(f"{path} holds no tensors{named} (its keys: {shown}); give a checkpoint with model weights.")


def _describe(value: object) -> str:
    """Return a few words on a value: numbers and short texts themselves, the rest by kind and size."""
    if isinstance(value, Tensor):
        plain = value.numel() == 1 and value.device.type == "cpu" and value.layout == torch.strided
        return f"{value.item():.6g}" if plain else "tensor"
    if isinstance(value, bool | int | float | None):
        return str(value)
    if isinstance(value, str):
        return ascii(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, Mapping):
        return f"dictionary of {len(value)}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def _name(key: object) -> str:
    """Return a dictionary's key as a message can show it."""
    text = key if isinstance(key, str) and key and key.isprintable() else ascii(key)
    return text if len(text) <= 60 else text[:57] + "..."
