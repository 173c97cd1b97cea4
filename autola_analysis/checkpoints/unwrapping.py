"""From the object in a file to the flat state dict in it, with a record of what was around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import CheckpointError

PLAIN_NESTS = ("state_dict", "model", "model_state", "net")
AVERAGED_NESTS = ("state_dict_ema", "model_ema", "teacher")
_MAX_DEPTH = 4
_LONGEST_NAME = 500

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class Unwrapped:
    """A flat state dict and what it was wrapped in.

    Attributes:
        state: Tensors by name.
        stripped: What was taken off, outermost first: dictionary keys, a module's class.
        leftovers: What else lay beside the weights ("epoch: 12").
        warnings: Choices that were made between several sets of weights.
    """

    state: StateDict
    stripped: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def unwrap(content: object, path: Path) -> Unwrapped:
    """Find the state dict inside what a file holds.

    Descends through ``state_dict``, ``model``, ``model_state``, ``net``, and through ``state_dict_ema``,
    ``model_ema``, ``teacher`` where no plain weights are there. A whole module gives its state dict.

    Raises:
        CheckpointError: If there are no tensors, several plain sets of weights, or only ones under an unknown name.
    """
    stripped: list[str] = []
    leftovers: list[str] = []
    warnings: list[str] = []
    for _ in range(_MAX_DEPTH + 1):
        if isinstance(content, nn.Module):
            stripped.append(f"module object {type(content).__name__}")
            content = content.state_dict()
        if not isinstance(content, Mapping):
            raise CheckpointError(
                f"{path} holds {_describe(content)} where a state dict (tensors by name) is expected; save "
                "model.state_dict()."
            )
        key = _choose_nest(content, path, warnings)
        if key is None:
            break
        stripped.append(f"dictionary key {key!r}")
        leftovers.extend(f"{_name(name)}: {_describe(value)}" for name, value in content.items() if name != key)
        content = content[key]
    else:
        raise CheckpointError(
            f"{path} nests its weights more than {_MAX_DEPTH} dictionaries deep; save model.state_dict()."
        )
    state = {name: value.detach() for name, value in content.items() if _is_weight(name, value)}
    _check_names(state, path)
    leftovers.extend(f"{_name(name)}: {_describe(value)}" for name, value in content.items() if name not in state)
    if not state:
        raise _no_weights(content, path)
    return Unwrapped(state, tuple(stripped), tuple(leftovers), tuple(warnings))


def _choose_nest(content: Mapping[object, object], path: Path, warnings: list[str]) -> str | None:
    plain = [key for key in PLAIN_NESTS if _holds_weights(content.get(key))]
    averaged = [key for key in AVERAGED_NESTS if _holds_weights(content.get(key))]
    candidates = plain or averaged
    if not candidates:
        return None
    if len(candidates) > 1:
        raise CheckpointError(
            f"{path} holds several sets of weights ({', '.join(map(repr, candidates))}) and none is marked as the "
            "model; save the one you mean with torch.save on its own."
        )
    unused = [key for key in averaged if key not in candidates]
    if unused:
        warnings.append(
            f"read the weights under {candidates[0]!r}; the file also holds {', '.join(map(repr, unused))} "
            "(averaged or teacher weights), which are another model"
        )
    return candidates[0]


def _holds_weights(value: object) -> bool:
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, nn.Module):
            return True
        if not isinstance(value, Mapping) or id(value) in seen:  # a damaged file can hold a dictionary within itself
            continue
        seen.add(id(value))
        if any(_is_weight(key, item) for key, item in value.items()):
            return True
        waiting.extend(value.get(key) for key in (*PLAIN_NESTS, *AVERAGED_NESTS))
    return False


def _is_weight(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _check_names(state: StateDict, path: Path) -> None:
    """Refuse names that no network has, and that would spoil every message with them."""
    for name in state:
        if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise CheckpointError(
                f"{path} holds a tensor with an impossible name ({_name(name)}); the file is damaged, so copy or "
                "download it again."
            )


def _no_weights(content: Mapping[object, object], path: Path) -> CheckpointError:
    nested = [_name(key) for key, value in content.items() if _holds_weights(value)]
    if nested:
        return CheckpointError(
            f"{path} keeps its weights under {', '.join(map(repr, nested[:5]))}, which is none of the known names "
            f"({', '.join((*PLAIN_NESTS, *AVERAGED_NESTS))}); save that dictionary on its own."
        )
    keys = ", ".join(map(_name, list(content)[:5])) or "nothing"
    named = "" if not any(isinstance(value, Tensor) for value in content.values()) else " that have texts for names"
    return CheckpointError(f"{path} holds no tensors{named} (its keys: {keys}); give a checkpoint with model weights.")


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
