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
        leftovers.extend(f"{name}: {_describe(value)}" for name, value in content.items() if name != key)
        content = content[key]
    else:
        raise CheckpointError(
            f"{path} nests its weights more than {_MAX_DEPTH} dictionaries deep; save model.state_dict()."
        )
    state = {name: value.detach() for name, value in content.items() if _is_weight(name, value)}
    leftovers.extend(f"{name}: {_describe(value)}" for name, value in content.items() if name not in state)
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
    if isinstance(value, nn.Module):
        return True
    if not isinstance(value, Mapping):
        return False
    if any(_is_weight(key, item) for key, item in value.items()):
        return True
    return any(_holds_weights(value.get(key)) for key in (*PLAIN_NESTS, *AVERAGED_NESTS))


def _is_weight(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _no_weights(content: Mapping[object, object], path: Path) -> CheckpointError:
    nested = [str(key) for key, value in content.items() if _holds_weights(value)]
    if nested:
        return CheckpointError(
            f"{path} keeps its weights under {', '.join(map(repr, nested))}, which is none of the known names "
            f"({', '.join((*PLAIN_NESTS, *AVERAGED_NESTS))}); save that dictionary on its own."
        )
    keys = ", ".join(map(repr, list(content)[:5])) or "nothing"
    return CheckpointError(f"{path} holds no tensors (its keys: {keys}); give a checkpoint with model weights.")


def _describe(value: object) -> str:
    """Return a few words on a value: numbers and short texts themselves, the rest by kind and size."""
    if isinstance(value, Tensor):
        return f"{value.item():.6g}" if value.numel() == 1 and value.device != torch.device("meta") else "tensor"
    if isinstance(value, bool | int | float | None):
        return str(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, Mapping):
        return f"dictionary of {len(value)}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
