"""Writing checkpoints that say what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from autola_analysis.attention.genotype import as_genotype
from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_aside
from autola_analysis.checkpoints.matching import check_match
from autola_analysis.checkpoints.native import HASH_KEY, RECORD_KEY, Record, content_hash, named_outputs
from autola_analysis.checkpoints.reading import check_finite
from autola_analysis.core.errors import CheckpointError, OptionError
from autola_analysis.core.files import expanded, replacing
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.detectors import DetectorSpec

Spec = TypeVar("Spec", bound=ModelSpec | DetectorSpec)


def save_model(
    path: str | Path,
    model: nn.Module,
    spec: ModelSpec | DetectorSpec,
    *,
    classes: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    preprocessing: Preprocessing | None = None,
    source: str | None = None,
    recipe: object = None,
    seed: int | None = None,
    metrics: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a classifier or a detector as safetensors with everything that is needed to use it.

    An existing file is replaced in one step: whoever reads it sees the old content or the new.

    Args:
        path: The file to write; missing folders are made.
        model: The network, on any device.
        spec: What the network is; it has to describe `model`.
        classes: Names of the head's outputs, in order; of a detector's classes without the background, or its joints.
        category_ids: Of a detector's classes, as files of results name them.
        preprocessing: What the network expects to be done to images.
        source: Name of the data it was trained on, e.g. "cluttered-digits".
        recipe: How it was trained, a name or a JSON-ready mapping.
        seed: Of the training run.
        metrics: Measured results, JSON-ready.
        dtype: Store floating-point tensors in this format, e.g. ``torch.float16``; None keeps theirs.

    Returns:
        The path of the file.

    Raises:
        OptionError: If the spec does not describe the model, the class names do not fit, a value is not JSON or
            `dtype` is no floating-point format.
        CheckpointError: If a weight is NaN or infinite, also when only through `dtype`.
    """
    path, spec = expanded(path), _portable(spec)
    _check_description(model, spec, classes, path)
    tensors = _stored(model, dtype)
    check_finite(tensors, path)
    if source is not None and ":" in source:
        raise OptionError(f"source is the name of public data, and a path is nobody else's; found {source!r}.")
    given = {"recipe": recipe, "seed": seed, "metrics": None if metrics is None else dict(metrics)}
    metadata = {key: value for key, value in given.items() if value is not None}
    names = None if classes is None else tuple(classes)
    numbers = None if category_ids is None else tuple(category_ids)
    text = _json(Record(spec, names, preprocessing, source, metadata, numbers))
    with replacing(path) as temporary:
        save_file(tensors, temporary, {RECORD_KEY: text, HASH_KEY: content_hash(tensors, text)})
    return path


def _json(record: Record) -> str:
    try:
        return record.to_json()
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"spec, recipe and metrics are stored as JSON, and a value is not JSON ({error}); give numbers, texts, "
            "lists and mappings."
        ) from error


def _portable(spec: Spec) -> Spec:
    """Return the spec with its genotype as pairs: a file of ours does not point at other files."""
    if isinstance(spec, DetectorSpec):
        return replace(spec, backbone=_portable(spec.backbone))
    options = dict(spec.attention_options)
    if "genotype" in options:
        options["genotype"] = as_genotype(options["genotype"]).to_pairs()
    return replace(spec, attention_options=options)


def _check_description(
    model: nn.Module, spec: ModelSpec | DetectorSpec, classes: Sequence[str] | None, path: Path
) -> None:
    if classes is not None and len(classes) != named_outputs(spec):
        raise OptionError(
            f"{len(classes)} class names were given for a network with {named_outputs(spec)} classes; give one per "
            "class."
        )
    if spec.attention not in ATTENTIONS:
        return  # a module of the user's: loading asks for its class and checks then
    try:
        check_match(build_aside(spec.build), model.state_dict(), path)
    except CheckpointError as error:
        raise OptionError(f"the spec does not describe the model that is to be saved ({error})") from error


def _stored(model: nn.Module, dtype: torch.dtype | None) -> dict[str, Tensor]:
    if dtype is not None and not dtype.is_floating_point:
        raise OptionError(f"dtype is a floating-point format such as torch.float16; found {dtype}.")

    def stored(tensor: Tensor) -> Tensor:
        target = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        # A copy of its own for every name: safetensors refuses tensors that share memory.
        return tensor.detach().to("cpu", target, copy=True).contiguous()

    return {name: stored(tensor) for name, tensor in model.state_dict().items()}
