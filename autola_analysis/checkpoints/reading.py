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
from autola_analysis.core.files import expanded, sha256_of

_BLOCKED_GLOBAL = re.compile(
    r"(?:Unsupported global: GLOBAL|Unsupported class|Trying to (?:load|call)[^`']*[`']) ?(\S+)"
)
_DAMAGE = (
    AssertionError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
_LONGEST_REASON = 150
_SPARE_BYTES = 32 * 2**20
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
    path = expanded(path)
    file_format = detect_format(path)
    digest = sha256_of(path)
    if file_format is FileFormat.SAFETENSORS:
        tensors, metadata = _read_safetensors(path)
        return RawCheckpoint(path, digest, file_format, tensors, metadata)
    # Memory mapping reads a record only when it is used: an optimizer's state beside the weights costs nothing.
    mapped = file_format is FileFormat.TORCH_ZIP and _check_archive(path)
    return RawCheckpoint(path, digest, file_format, _read_torch(path, trust, mapped))


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights with values that are NaN or infinite as float32, and variances below zero.

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
    for name, tensor in tensors.items():
        if name.endswith("running_var") and tensor.is_floating_point() and bool((tensor.float() < 0).any()):
            raise CheckpointError(
                f"{path} holds negative variances in {name}; the file is damaged, so use another checkpoint."
            )


def check_stored(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors whose values the file does not hold, before anything is computed with them.

    A few bytes can describe a tensor of any size: a value that is repeated, one storage under many names, a sparse
    tensor. Names of one storage, as tied weights and second names of a stage, are let through up to twice the file.

    Raises:
        CheckpointError: Naming the first such tensor.
    """
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            kind = (
                "quantised" if tensor.is_quantized else "sparse" if tensor.layout != torch.strided else "empty (meta)"
            )
            raise CheckpointError(
                f"{path} holds {kind} tensors ({name}), whose values cannot be read as they are; save the original "
                "weights as ordinary tensors."
            )
    largest = max(tensors, key=lambda name: tensors[name].nbytes, default="")
    check_size(path, sum(tensor.nbytes for tensor in tensors.values()), f"its tensors ({largest} ...)")


def check_size(path: Path, announced: int, what: str) -> None:
    """Refuse a file that takes many times its size in memory.

    Raises:
        CheckpointError: If `announced` bytes are more than twice the file and 32 MiB.
    """
    size = path.stat().st_size
    if announced > 2 * size + _SPARE_BYTES:
        raise CheckpointError(
            f"{path} has {size:,} bytes, but {what} would take {announced:,} in memory: they are one value repeated, "
            "or strongly compressed; save every weight in full (tensor.clone()) with torch.save."
        )


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor if tensor.element_size() in (2, 4) else tensor.float()).all())


def _check_archive(path: Path) -> bool:
    """Verify every record's checksum; return whether all are stored uncompressed, so that they can be mapped."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            stored = all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
            check_size(path, sum(info.file_size for info in archive.infolist()), "the records inside")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, *_DAMAGE) as error:
        raise CheckpointError(
            f"{path} is a damaged zip archive ({short_reason(error)}); copy or download it again."
        ) from error
    if damaged is not None:
        raise CheckpointError(
            f"{path} is damaged: its record {damaged!r} does not match its checksum; copy or download it again."
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
            f"{path} is a damaged or truncated safetensors file ({short_reason(error)}); copy or download it again."
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
            f"{path} needs code that is not installed ({short_reason(error)}); install it, or save a plain "
            "state_dict()."
        ) from error
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} is damaged, truncated or not written by torch.save ({short_reason(error)}); copy or download it "
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


def short_reason(error: BaseException) -> str:
    """Return the first line of what another library says, as far as it is readable."""
    lines = str(error).strip().splitlines()
    line = (lines[0].rstrip(". ") if lines else "") or type(error).__name__
    if not line.isprintable():
        line = ascii(line)
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."
