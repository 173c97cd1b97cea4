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

from autola_analysis.attention.genotype import as_genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints.reading import short_reason
from autola_analysis.core.errors import CheckpointError, OptionError
from autola_analysis.core.reading import json_of
from autola_analysis.core.text import shown
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.detectors import DetectorSpec

RECORD_KEY = "autola_analysis"
HASH_KEY = "autola_analysis_sha256"
FORMAT_VERSION = 1
DETECTOR_VERSION = 2
"""Of files that hold a detector, which a version of this package without detectors cannot read"""
MOST_CLASSES = 10**7
LARGEST_OPTION = 2**32
"""Of a network's options: widths, depths, reductions, seeds of wirings."""


@dataclass(frozen=True)
class Record:
    """What our files say about their weights.

    Attributes:
        spec: The network, a classifier or a detector.
        classes: Names of the head's outputs; of a detector's classes without the background, or of its joints.
        preprocessing: What the network expects to be done to images.
        source: Name of the data it was trained on.
        metadata: ``recipe``, ``seed`` and ``metrics``, where they were given.
        category_ids: Of a detector's classes, as files of results name them.
    """

    spec: ModelSpec | DetectorSpec
    classes: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    source: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    category_ids: tuple[int, ...] | None = None

    def to_json(self) -> str:
        """Return the record as canonical JSON: sorted keys, no NaN, no spaces."""
        of_detector = isinstance(self.spec, DetectorSpec)
        values = {
            "format_version": DETECTOR_VERSION if of_detector else FORMAT_VERSION,
            "spec": self.spec.to_dict(),
            "classes": None if self.classes is None else list(self.classes),
            "preprocessing": None if self.preprocessing is None else self.preprocessing.to_dict(),
            "source": self.source,
            "metadata": dict(self.metadata),
        }
        if of_detector:
            values["category_ids"] = None if self.category_ids is None else list(self.category_ids)
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
        values = json_of(text)
        version = int(values["format_version"])
        if version > DETECTOR_VERSION:
            raise CheckpointError(
                f"{path} has format version {version}, this autola-analysis reads up to {DETECTOR_VERSION}; install a "
                "newer one."
            )
        return _checked_record(values)
    except (AttributeError, KeyError, OptionError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds a wrong or incomplete record of its network ({short_reason(error)}); write it again with "
            "save_model."
        ) from error


def checked_spec(values: Mapping[str, Any]) -> ModelSpec:
    """Return the network that values of JSON describe.

    Raises:
        AttributeError, KeyError, OptionError, TypeError, ValueError: If they describe none, or have numbers that no
            network has.
    """
    _expect(values, dict, "spec")
    spec = {**ModelSpec(values["backbone"]).to_dict(), **values}
    for key, kind in (("backbone", str), ("attention", str), ("num_classes", int)):
        _expect(spec[key], kind, key)
    for key in ("options", "attention_options"):
        _expect(spec[key], dict, key)
    if not 0 <= spec["num_classes"] <= MOST_CLASSES:
        raise ValueError(f"num_classes is {spec['num_classes']}")
    for key in ("options", "attention_options"):
        _expect_values(spec[key], key)
    if "genotype" in spec["attention_options"]:
        as_genotype(spec["attention_options"]["genotype"])
    return ModelSpec.from_dict(spec)


def named_outputs(spec: ModelSpec | DetectorSpec) -> int:
    """Return how many names the outputs of a network have: a detector's background has none."""
    return spec.classes if isinstance(spec, DetectorSpec) else spec.num_classes


def _checked_detector(values: Mapping[str, Any]) -> DetectorSpec:
    _expect(values["kind"], str, "kind")
    _expect(values["classes"], int, "classes")
    _expect(values["options"], dict, "options")
    if not 1 <= values["classes"] <= MOST_CLASSES:
        raise ValueError(f"classes is {values['classes']}")
    _expect_values(values["options"], "options")
    return DetectorSpec.from_dict({**values, "backbone": checked_spec(values["backbone"]).to_dict()})


def _checked_record(values: Mapping[str, Any]) -> Record:
    spec, classes, preprocessing = values["spec"], values["classes"], values["preprocessing"]
    _expect(spec, dict, "spec")
    backbone = spec["backbone"] if "kind" in spec else spec
    # A path would read a file of the reader.
    _expect(backbone["attention_options"].get("genotype", []), list, "genotype")
    built = _checked_detector(spec) if "kind" in spec else checked_spec(spec)
    if classes is not None:
        _expect(classes, list, "classes")
        if len(classes) != named_outputs(built) or not all(isinstance(name, str) for name in classes):
            raise ValueError(f"{len(classes)} classes do not name the {named_outputs(built)} outputs of the head")
    numbers = values.get("category_ids")
    if numbers is not None:
        _expect(numbers, list, "category_ids")
        if not all(type(number) is int and abs(number) <= LARGEST_OPTION for number in numbers):
            raise ValueError("category_ids holds what is no number of a category")
    if values["source"] is not None:
        _expect(values["source"], str, "source")
        if ":" in values["source"]:
            raise ValueError(f"source is {ascii(values['source'])[:60]}, a place on somebody's machine")
    _expect(values["metadata"], dict, "metadata")
    if preprocessing is not None:
        _expect(preprocessing, dict, "preprocessing")
    return Record(
        spec=built,
        classes=None if classes is None else tuple(shown(classes)),
        preprocessing=None if preprocessing is None else Preprocessing.from_dict(preprocessing),
        source=shown(values["source"]),
        metadata=shown(values["metadata"]),
        category_ids=None if numbers is None else tuple(numbers),
    )


def _expect_values(values: Mapping[str, object], what: str) -> None:
    """Refuse options of a network that no network has: they come from a file of anybody."""
    for name, value in values.items():
        if isinstance(value, list):
            _expect_values({f"{name}[{place}]": each for place, each in enumerate(value)}, what)
        elif isinstance(value, int | float) and not abs(value) <= LARGEST_OPTION:
            raise ValueError(f"{what}: {ascii(name)[:60]} is {value}")


def _expect(value: object, kind: type, what: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{what} is {ascii(value)[:60]}, not of the kind {kind.__name__}")
