"""What kind of file this is, told from its content; names and suffixes are often wrong."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import BufferedReader
from pathlib import Path

from autola_analysis.core.errors import CheckpointError
from autola_analysis.core.reading import open_ordinary

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


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a checkpoint file for everything that is read of it, so that all of it is of one file.

    Raises:
        CheckpointError: If it cannot be opened, or is written to in the meantime, whatever reading it then gave.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a directory; give the checkpoint file inside it.")
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is no ordinary file (a pipe or a device); write the checkpoint to a file first.")
    try:
        file = open_ordinary(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint file {path}; check the path.") from error
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint file {path} cannot be opened ({error.strerror}); check its permissions."
        ) from error
    with file:
        before = _state(file)
        try:
            yield file
        except CheckpointError as error:
            _refuse_changed(path, file, before, error)
            raise
        _refuse_changed(path, file, before)


def _state(file: BufferedReader) -> tuple[int, int]:
    facts = os.fstat(file.fileno())
    return facts.st_size, facts.st_mtime_ns


def _refuse_changed(
    path: Path, file: BufferedReader, before: tuple[int, int], error: CheckpointError | None = None
) -> None:
    if _state(file) != before:
        raise CheckpointError(
            f"{path} was written to while it was read, so that nothing says which weights these are; wait until it is "
            "complete, or copy it and give the copy."
        ) from error


def detect_format(file: BufferedReader, path: Path) -> FileFormat:
    """Return the format of an open file, whose position is at its start before and afterwards.

    Raises:
        CheckpointError: If the file holds something else, which the message names.
    """
    size, head = _read_head(file, path)
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
        is_archive = zipfile.is_zipfile(file)
        file.seek(0)
        if not is_archive:
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


def _read_head(file: BufferedReader, path: Path) -> tuple[int, bytes]:
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise CheckpointError(f"{path} is empty (0 bytes); copy or download it again.")
    return os.fstat(file.fileno()).st_size, head


def _checked_safetensors(path: Path, size: int, head: bytes) -> FileFormat:
    header = int.from_bytes(head[:8], "little")
    if 8 + header > size:
        raise CheckpointError(
            f"{path} is truncated: its safetensors header announces {header:,} bytes, the file has {size:,}; copy or "
            "download it again."
        )
    return FileFormat.SAFETENSORS
