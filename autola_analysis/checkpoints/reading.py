"""From a file to the object in it, without running code from the file."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from autola_analysis.checkpoints.formats import FileFormat, detect_format, opened
from autola_analysis.core.errors import CheckpointError
from autola_analysis.core.files import expanded

_BLOCKED_GLOBAL = re.compile(
    r"(?:Unsupported global: GLOBAL|Unsupported class|Trying to (?:load|call)[^`']*[`']) ?(\S+)"
)
LARGEST_WEIGHT = 1e12
"""A weight beyond it is taken for damaged: trained ones, and variances of activations, stay far below."""
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


@dataclass(frozen=True)
class RawCheckpoint:
    """What a file holds, before anybody asks what it means.

    Attributes:
        path: The file.
        size: Of the file, in bytes.
        sha256: Of the file's bytes.
        format: How it is written.
        content: The object in it: usually nested dictionaries with tensors, on the CPU.
        metadata: The text metadata of a safetensors file.
    """

    path: Path
    size: int
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
    with opened(path) as file:
        file_format = detect_format(file, path)
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        content: object
        metadata: dict[str, str] = {}
        if file_format is FileFormat.SAFETENSORS:
            content, metadata = _read_safetensors(file, path)
        else:
            if file_format is FileFormat.TORCH_ZIP:
                _check_archive(file, path, size)
            content = _read_torch(file, path, trust)
    return RawCheckpoint(path, size, digest, file_format, content, metadata)


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


def implausible_weights(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return a warning where a value is larger than any that training leaves.

    A flipped bit of an exponent multiplies a weight by 2 to a power up to 128, and files without a checksum do not show
    it otherwise.
    """
    huge = [
        name
        for name, tensor in tensors.items()
        if tensor.is_floating_point()
        and torch.finfo(tensor.dtype).max > LARGEST_WEIGHT  # half precision ends before
        and tensor.numel()
        and max(abs(float(end)) for end in tensor.aminmax()) > LARGEST_WEIGHT
    ]
    if not huge:
        return []
    return [f"{', '.join(huge[:5])} holds values beyond {LARGEST_WEIGHT:.0e}; the file may be damaged"]


def check_stored(tensors: Mapping[str, Tensor], path: Path, size: int) -> None:
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
    check_size(path, size, sum(tensor.nbytes for tensor in tensors.values()), f"its tensors ({largest} ...)")


def check_size(path: Path, size: int, announced: int, what: str) -> None:
    """Refuse a file that takes many times its size in memory.

    Raises:
        CheckpointError: If `announced` bytes are more than twice the file and 32 MiB.
    """
    if announced > 2 * size + _SPARE_BYTES:
        raise CheckpointError(
            f"{path} has {size:,} bytes, but {what} would take {announced:,} in memory: they are one value repeated, "
            "or strongly compressed; save every weight in full (tensor.clone()) with torch.save."
        )


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor if tensor.element_size() in (2, 4) else tensor.float()).all())


def _check_archive(file: BufferedReader, path: Path, size: int) -> None:
    """Verify every record's checksum."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            check_size(path, size, sum(info.file_size for info in archive.infolist()), "the records inside")
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
    file.seek(0)


def _read_safetensors(file: BufferedReader, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    content = file.read()
    try:
        tensors = dict(sorted(load(content).items()))  # their order in the library's table is random
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, *_DAMAGE) as error:
        raise CheckpointError(
            f"{path} is a damaged or truncated safetensors file ({short_reason(error)}); copy or download it again."
        ) from error
    return tensors, dict(header.get("__metadata__") or {})


def _read_torch(file: BufferedReader, path: Path, trust: bool) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's hints on pickle protocols; what matters is raised below
            # Not mapped: a file that is cut off while it is mapped ends the process without a word.
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
