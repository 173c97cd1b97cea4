"""Strict loading: every parameter and buffer comes from the file, every tensor of the file is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from autola_analysis.core.errors import CheckpointError
from autola_analysis.core.registry import nearest

_COUNTER = "num_batches_tracked"
_SHOWN = 3
NAME_IT = "name the network with --arch timm:NAME, torchvision:NAME, package.module:function or FILE.py:function"


def check_match(model: nn.Module, state: Mapping[str, Tensor], path: Path, advice: str = NAME_IT) -> None:
    """Compare a state dict with a model's.

    Args:
        model: The network that is to take the tensors.
        state: Tensors by the model's names.
        path: The file, for messages.
        advice: What to do about a file that does not fit.

    Raises:
        CheckpointError: If a tensor is missing, left over, of another shape or of another kind of number.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in state and not _is_counter(name)]
    unused = [name for name in state if name not in own and not _is_counter(name)]
    if missing or unused:
        raise _unmatched(missing, unused, list(own), list(state), path, advice)
    wrong = [name for name, tensor in state.items() if name in own and tensor.shape != own[name].shape]
    if wrong:
        name = wrong[0]
        more = f" (and {len(wrong) - 1} more tensors differ)" if len(wrong) > 1 else ""
        raise CheckpointError(
            f"{path}: {name} has the shape {tuple(state[name].shape)}, the network's has {tuple(own[name].shape)}"
            f"{more}; {advice}."
        )
    for name, tensor in state.items():
        if name in own and not _is_counter(name) and tensor.is_floating_point() != own[name].is_floating_point():
            raise CheckpointError(
                f"{path}: {name} holds {_dtype(tensor)} values where {_dtype(own[name])} is expected; quantised and "
                "complex networks cannot be analysed, so use the original weights."
            )


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy a state dict into a model, in the model's number format.

    Only ``num_batches_tracked``, which evaluation does not use, may be missing or left over.

    Raises:
        CheckpointError: If names, shapes or kinds do not match, see `check_match`.
    """
    check_match(model, state, path)
    own = model.state_dict()
    # Counters are scalars; old files lack them, and frozen batch norms have none.
    complete = {name: state.get(name, tensor).reshape(tensor.shape) for name, tensor in own.items()}
    model.load_state_dict(complete, strict=True)


def number_formats(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the floating-point formats among the tensors, sorted."""
    return tuple(sorted({_dtype(tensor) for tensor in state.values() if tensor.is_floating_point()}))


def _unmatched(
    missing: list[str], unused: list[str], own: list[str], stored: list[str], path: Path, advice: str
) -> CheckpointError:
    parts = []
    if missing:
        near = f" (nearest in the file: {', '.join(nearest(missing[0], unused or stored, 2))})" if stored else ""
        parts.append(f"{len(missing)} tensors of the network are not in it: {_listed(missing)}{near}")
    if unused:
        near = f" (nearest in the network: {', '.join(nearest(unused[0], missing or own, 2))})"
        parts.append(f"{len(unused)} of its tensors fit nowhere: {_listed(unused)}{near}")
    return CheckpointError(f"{path} does not fit the network: {'; '.join(parts)}; {advice}.")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == _COUNTER


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
