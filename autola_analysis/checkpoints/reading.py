"""From a file to the object in it, without running code from the file."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from autola_analysis.checkpoints.formats import FileFormat, detect_format
from autola_analysis.core.errors import CheckpointError
from autola_analysis.core.files import sha256_of

_BLOCKED_GLOBAL = re.compile(
    r"(?:Unsupported global: GLOBAL|Unsupported class|Trying to (?:load|call)[^`']*[`']) ?(\S+)"
)
_DAMAGE = (EOFError, RuntimeError, ValueError, KeyError, IndexError, TypeError, OSError, OverflowError, struct.error)
_MISLEADING_SUFFIX = ".safetensors"  # torch.load goes by the suffix of a path, whatever the file holds


@dataclass(frozen=True)
class RawCheckpoint:
    """What a file holds, before anybody asks what it means.

    Attributes:
        path: The file.
        sha256: Of the file's bytes.
        format: How it is written.
        content: The object in it: usually nested dictionaries with tensors, on the CPU.
        metadata: The text metadata of a safetensors file.
    """

    path: Path
    sha256: str
    format: FileFormat
    content: object
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: str | Path, *, trust: bool = False) -> RawCheckpoint:
    """Read a checkpoint file onto the CPU.

    Args:
        path: A file written by ``torch.save`` (zip or legacy) or safetensors.
        trust: Whether code that the file asks for may run. Without it such a file is refused.

    Raises:
        CheckpointError: If the file is missing, damaged, something else, or asks for code without `trust`.
    """
    path = Path(path)
    file_format = detect_format(path)
    digest = sha256_of(path)
    if file_format is FileFormat.SAFETENSORS:
        tensors, metadata = _read_safetensors(path)
        return RawCheckpoint(path, digest, file_format, tensors, metadata)
    # Memory mapping reads a record only when it is used: an optimizer's state beside the weights costs nothing.
    mapped = file_format is FileFormat.TORCH_ZIP and _check_archive(path)
    return RawCheckpoint(path, digest, file_format, _read_torch(path, trust, mapped))


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights with NaN or infinite values.

    Raises:
        CheckpointError: Naming the first such tensors.
    """
    broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not _is_finite(tensor)]
    if broken:
        more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise CheckpointError(
            f"{path} holds NaN or infinite values in {', '.join(broken[:5])}{more}; the training diverged or the file "
            "is damaged, so use another checkpoint."
        )


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.float() if tensor.element_size() < 2 else tensor).all())


def _check_archive(path: Path) -> bool:
    """Verify every record's checksum; return whether all are stored uncompressed, so that they can be mapped."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
            stored = all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"{path} is a damaged zip archive ({error}); copy or download it again.") from error
    if damaged is not None:
        raise CheckpointError(
            f"{path} is damaged: its record {damaged} does not match its checksum; copy or download it again."
        )
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript archive, whose layers cannot be analysed; save the state_dict() of the original "
            "module instead."
        )
    if not any(name.endswith("/data.pkl") for name in names):
        raise CheckpointError(
            f"{path} is a zip archive that torch.save did not write (no data.pkl among {names[:3]}); if the checkpoint "
            "is inside, unpack it."
        )
    return stored


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, *_DAMAGE) as error:
        raise CheckpointError(
            f"{path} is a damaged or truncated safetensors file ({_first_line(error)}); copy or download it again."
        ) from error


def _read_torch(path: Path, trust: bool, mapped: bool) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's hints on pickle protocols; what matters is raised below
            if mapped and path.suffix != _MISLEADING_SUFFIX:
                return torch.load(path, map_location="cpu", weights_only=not trust, mmap=True)
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        raise _explain_refusal(path, str(error), trust) from error
    except (ImportError, AttributeError) as error:
        raise CheckpointError(
            f"{path} needs code that is not installed ({_first_line(error)}); install it, or save a plain state_dict()."
        ) from error
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} is damaged, truncated or not written by torch.save ({_first_line(error)}); copy or download it "
            "again."
        ) from error


def _explain_refusal(path: Path, message: str, trust: bool) -> CheckpointError:
    blocked = _BLOCKED_GLOBAL.search(message)
    if blocked and not trust:
        return CheckpointError(
            f"{path} asks to run code on loading ({blocked.group(1).strip('`.,')}); if you trust its author, give "
            "--trust-checkpoint (trust=True), else ask for a plain state_dict()."
        )
    if not trust and "weights_only" in message and "Unsupported operand" in message:
        return CheckpointError(
            f"{path} is a pickle that torch.save did not write, or a damaged one; if you trust its author, give "
            "--trust-checkpoint (trust=True), else save the weights with torch.save."
        )
    return CheckpointError(
        f"{path} is damaged, truncated or not written by torch.save (its pickle cannot be read); copy or download it "
        "again."
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0].rstrip(". ") if lines else "") or type(error).__name__
