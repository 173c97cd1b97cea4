"""The folder beside a checkpoint that holds an unfinished training: its settings, and its state after each epoch."""

from __future__ import annotations

import json
import logging
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from autola_analysis.checkpoints.reading import read_checkpoint
from autola_analysis.core.errors import CheckpointError, OptionError, TrainingError
from autola_analysis.core.files import leftovers, remove, replacing
from autola_analysis.core.reading import TextFault, json_of, read_text
from autola_analysis.training.lock import LOCK

logger = logging.getLogger(__name__)
SETTINGS = "settings.json"
LAST = "last.ckpt"
KEPT = "kept.safetensors"
OWN = {SETTINGS, LAST, KEPT, LOCK}
PARTS = {"epoch", "global_step", "loops", "lr_schedulers", "optimizer_states", "state_dict"}
"""What lightning needs of a state to go on."""


class WholeFiles(TorchCheckpointIO):
    """Write a state whole or not at all, also where the temporary folder lies on another disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a state in one step.

        torch's own writing of a file that cannot grow ends in an error of its archive's bookkeeping, not of the disk.
        """
        content = BytesIO()
        torch.save(checkpoint, content)
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(content.getbuffer())


def state_of(out: Path, what: str = "training") -> Path:
    """Return the state folder of the training, or the search, that writes `out`."""
    return out.with_name(f"{out.name}.{what}")


def open_state(out: Path, record: dict[str, Any], what: str = "training") -> Path:
    """Return the state folder of the training that writes `out`; make it where there is none.

    Args:
        out: What it writes.
        record: Everything that decides the outcome, JSON-ready.
        what: "training" or "search".

    Raises:
        OptionError: If the folder holds an unfinished training with other settings.
        TrainingError: If the settings or the state in it are damaged.
    """
    state = state_of(out, what)
    state.mkdir(parents=True, exist_ok=True)
    settings = state / SETTINGS
    if not settings.exists():
        if (state / LAST).exists():
            raise TrainingError(_damaged(settings, "it is missing", state))
        if foreign := sorted({path.name for path in state.iterdir()} - OWN):
            raise TrainingError(
                f"{state} holds {foreign[0]} and no unfinished training; move that away, or choose another --out."
            )
        with replacing(settings) as temporary:
            temporary.write_text(json.dumps(record, indent=1))
    elif _settings(settings) != record:
        raise OptionError(
            f"{state} holds an unfinished {what} with other settings; repeat the command with those, "
            "remove the folder, or choose another --out."
        )
    return state


def discard(state: Path) -> None:
    """Remove a state folder; what a training has not written stays, and is named."""
    for name in OWN:
        (state / name).unlink(missing_ok=True)
    for leftover in leftovers(state):
        remove(leftover)
    left = sorted(path.name for path in state.iterdir())
    if left:
        logger.warning("%s stays, since it holds %s, which no training wrote.", state, ", ".join(left))
    else:
        state.rmdir()


class LastState(NamedTuple):
    """The state after the last whole epoch.

    Attributes:
        file: Holds it.
        epochs: How many epochs were finished.
    """

    file: Path
    epochs: int


def last_state(state: Path, module: torch.nn.Module | None = None) -> LastState | None:
    """Return the state after the last epoch; None where no epoch was finished.

    Args:
        state: The folder.
        module: What will go on from it, whose tensors it must hold.

    Raises:
        TrainingError: If it is damaged.
    """
    last = state / LAST
    if not last.exists():
        return None
    try:
        content = read_checkpoint(last).content
    except CheckpointError as error:
        raise TrainingError(_damaged(last, "it cannot be read", state)) from error
    if not isinstance(content, dict) or not content.keys() >= PARTS or type(content["epoch"]) is not int:
        raise TrainingError(_damaged(last, "it holds no state of a training", state))
    if module is not None and _shapes(content["state_dict"]) != _shapes(module.state_dict()):
        raise TrainingError(_damaged(last, "it holds other tensors than the network", state))
    return LastState(last, content["epoch"] + 1)


def _shapes(tensors: Any) -> dict[str, Any]:
    found = tensors if isinstance(tensors, dict) else {}
    return {name: getattr(tensor, "shape", None) for name, tensor in found.items()}


def kept_checkpoint(state: Path) -> Path:
    """Return the checkpoint that was kept at an accuracy.

    Raises:
        TrainingError: If it is missing.
    """
    kept = state / KEPT
    if not kept.exists():
        raise TrainingError(_damaged(kept, "it is missing", state))
    return kept


def _settings(path: Path) -> dict[str, Any]:
    try:
        values = json_of(read_text(path), finite=False)
    except OSError as error:
        raise TrainingError(_damaged(path, "it cannot be read", path.parent)) from error
    except TextFault as error:
        raise TrainingError(_damaged(path, "it is not JSON", path.parent)) from error
    if not isinstance(values, dict):
        raise TrainingError(_damaged(path, "it holds no settings", path.parent))
    return values


def _damaged(file: Path, what: str, state: Path) -> str:
    return (
        f"{file} is damaged ({what}), so the unfinished training cannot go on; remove the folder {state} to start "
        "over, or choose another --out."
    )
