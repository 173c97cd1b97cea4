"""What kind of file this is, told from its content; names and suffixes are often wrong."""

from __future__ import annotations

import zipfile
from enum import StrEnum
from pathlib import Path

from autola_analysis.core.errors import CheckpointError

_HEAD_BYTES = 512


class FileFormat(StrEnum):
    """The kinds of file that hold weights."""

    TORCH_ZIP = "torch zip archive"
    TORCH_LEGACY = "torch legacy pickle"
    SAFETENSORS = "safetensors"


_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a git-LFS pointer, not the file it points to; run `git lfs pull`"),
    (b"\x89HDF", "an HDF5 file, as Keras writes it; export a PyTorch state dict"),
    (b"\x93NUMPY", "a NumPy array; export a PyTorch state dict"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"BZh", "compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed with xz; unpack it first"),
    (b"\x89PNG", "a PNG image; give the file that torch.save wrote"),
    (b"\xff\xd8\xff", "a JPEG image; give the file that torch.save wrote"),
    (b"%PDF", "a PDF document; give the file that torch.save wrote"),
    (b"GGUF", "a GGUF language model; give the file that torch.save wrote"),
)


def detect_format(path: Path) -> FileFormat:
    """Return the format of a file.

    Raises:
        CheckpointError: If the file cannot be read or holds something else, which the message names.
    """
    size, head = _read_head(path)
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise CheckpointError(
            f"{path} is a web page (HTML), not a checkpoint; the download went wrong, probably at a login or "
            "confirmation page, so download it again."
        )
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise CheckpointError(f"{path} is {what}.")
    if head.startswith(b"PK\x03\x04"):
        if not zipfile.is_zipfile(path):
            raise CheckpointError(
                f"{path} is truncated: a zip archive without its directory at the end ({size:,} bytes found); copy or "
                "download it again."
            )
        return FileFormat.TORCH_ZIP
    if head[8:9] == b"{" and len(head) > 9:
        return _checked_safetensors(path, size, head)
    if head.startswith(b"\x80") and len(head) > 1 and head[1] <= 5:
        return FileFormat.TORCH_LEGACY
    raise CheckpointError(
        f"{path} is not a checkpoint: it begins with {head[:16]!r}, which neither torch.save nor safetensors writes; "
        "give a file written by one of them."
    )


def _read_head(path: Path) -> tuple[int, bytes]:
    if path.is_dir():
        raise CheckpointError(f"{path} is a directory; give the checkpoint file inside it.")
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is no ordinary file (a pipe or a device); write the checkpoint to a file first.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint file {path}; check the path.") from error
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint file {path} cannot be opened ({error.strerror}); check its permissions."
        ) from error
    if not head:
        raise CheckpointError(f"{path} is empty (0 bytes); copy or download it again.")
    return size, head


def _checked_safetensors(path: Path, size: int, head: bytes) -> FileFormat:
    header = int.from_bytes(head[:8], "little")
    if 8 + header > size:
        raise CheckpointError(
            f"{path} is truncated: its safetensors header announces {header:,} bytes, the file has {size:,}; copy or "
            "download it again."
        )
    return FileFormat.SAFETENSORS
