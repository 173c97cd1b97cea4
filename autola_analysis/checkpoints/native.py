"""Our own format: safetensors with one JSON record and a hash over tensors and record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import CheckpointError
from autola_analysis.data.preprocessing import Preprocessing

RECORD_KEY = "autola_analysis"
HASH_KEY = "autola_analysis_sha256"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Record:
    """What our files say about their weights.

    Attributes:
        spec: The network.
        classes: Names of the head's outputs.
        preprocessing: What the network expects to be done to images.
        source: Name of the data it was trained on.
        metadata: ``recipe``, ``seed`` and ``metrics``, where they were given.
    """

    spec: ModelSpec
    classes: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    source: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the record as canonical JSON: sorted keys, no NaN, no spaces."""
        values = {
            "format_version": FORMAT_VERSION,
            "spec": self.spec.to_dict(),
            "classes": None if self.classes is None else list(self.classes),
            "preprocessing": None if self.preprocessing is None else self.preprocessing.to_dict(),
            "source": self.source,
            "metadata": dict(self.metadata),
        }
        return json.dumps(values, sort_keys=True, allow_nan=False, separators=(",", ":"))


def content_hash(tensors: Mapping[str, Tensor], record: str) -> str:
    """Return the SHA-256 over a record and the names, types, shapes and bytes of tensors in order of name."""
    digest = hashlib.sha256(record.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous().cpu()
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def is_native(metadata: Mapping[str, str]) -> bool:
    """Return whether a safetensors file's metadata are those of our format."""
    return RECORD_KEY in metadata


def read_record(metadata: Mapping[str, str], tensors: Mapping[str, Tensor], path: Path) -> Record:
    """Verify the content of a file of ours and return its record.

    Raises:
        CheckpointError: If content and hash differ, or the record is of a newer format or incomplete.
    """
    text = metadata[RECORD_KEY]
    if content_hash(tensors, text) != metadata.get(HASH_KEY):
        raise CheckpointError(
            f"{path} was changed after it was written: tensors and metadata do not match their recorded hash; use the "
            "original file."
        )
    try:
        values = json.loads(text)
        version = values["format_version"]
        if version > FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format version {version}, this autola-analysis reads up to {FORMAT_VERSION}; install a "
                "newer one."
            )
        return Record(
            spec=ModelSpec.from_dict(values["spec"]),
            classes=None if values["classes"] is None else tuple(values["classes"]),
            preprocessing=values["preprocessing"] and Preprocessing.from_dict(values["preprocessing"]),
            source=values["source"],
            metadata=values["metadata"],
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds an incomplete record of its network ({error!r}); write it again with save_model."
        ) from error
