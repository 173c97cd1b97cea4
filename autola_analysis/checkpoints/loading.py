"""From a checkpoint file to a ready model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from autola_analysis.attention.registry import AttentionFactory
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_aside
from autola_analysis.checkpoints.class_names import BUILT_IN, ClassNames, read_class_names
from autola_analysis.checkpoints.external import side_of_named
from autola_analysis.checkpoints.interpretation import (
    GenotypeLike,
    Interpretation,
    Request,
    begin,
    interpret,
    outline_of,
    outputs_of,
)
from autola_analysis.checkpoints.matching import check_match, load_strictly
from autola_analysis.checkpoints.reading import check_finite, implausible_weights, read_checkpoint
from autola_analysis.checkpoints.recorded_accuracy import recorded_accuracy
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import OptionError
from autola_analysis.core.output_kind import OutputKind, checked_output_kind
from autola_analysis.core.text import counted
from autola_analysis.data.preprocessing import Geometry, Preprocessing, Side, statistics_of

_SHOWN = 3
IMAGENET_OUTPUTS = 1000


@dataclass(frozen=True)
class LoadedModel:
    """A model from a checkpoint, ready for analysis, and what is known about it.

    Attributes:
        model: The network with the file's weights, in evaluation mode.
        spec: What it is; None for a network that ``arch`` built. Where the attention is the user's own, its name in
            the spec is the reference that was given, and building it again needs the class.
        preprocessing: What it expects to be done to images; None where neither the file nor the user said.
        classes: Names of the head's outputs, where the file records them or the user states them.
        sha256: Of the file.
        path: The file.
        source: Name of the data it was trained on, where the file records it.
        evidence: Why we think that it is what it is, one conclusion per line.
        warnings: What was assumed.
        metadata: ``recipe``, ``seed`` and ``metrics`` recorded in files of our own.
        input_side: Side in pixels of the images that it was made for; None where nothing tells.
        geometry: What the user says of resize and crop.
        output: What the outputs are, where the user says it, see `OutputKind`.
        recorded_accuracy: Top-1 accuracy that the file records, a share; None where it records none.
        usual_classes: Names that the outputs of such a head usually have: those of ImageNet, for a head of 1000 outputs
            in a network whose kind is known.
    """

    model: nn.Module
    spec: ModelSpec | None
    preprocessing: Preprocessing | None
    classes: tuple[str, ...] | None
    sha256: str
    path: Path
    source: str | None = None
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    input_side: int | None = None
    geometry: Geometry = field(default_factory=Geometry)
    output: OutputKind | None = None
    recorded_accuracy: float | None = None
    usual_classes: tuple[str, ...] | None = None


def load_model(
    path: str | Path,
    *,
    arch: str | ModelSpec | None = None,
    genotype: GenotypeLike | None = None,
    attention: str | AttentionFactory | None = None,
    num_classes: int | None = None,
    weights: str | None = None,
    normalize: str | None = None,
    resize: Side | None = None,
    crop: Side | None = None,
    classes: ClassNames | None = None,
    output: str | None = None,
    device: str | torch.device = "auto",
    trust: bool = False,
) -> LoadedModel:
    """Load a checkpoint that this package or somebody else's code wrote.

    Loading is strict: every parameter and buffer of the model comes from the file, every tensor of the file is used
    or named as ignored in the evidence. Half-precision weights are loaded as float32.

    Args:
        path: The checkpoint file.
        arch: What the network is, where the file does not show it: a backbone's name, a `ModelSpec` or the path of one
            as JSON, ``timm:NAME``, ``torchvision:NAME``, ``package.module:function`` or ``FILE.py:function``.
        genotype: The wiring of HOGA modules: an object, (operation, source) pairs, or the path of a JSON file.
        attention: The attention module in a known backbone, where its tensors do not show it: a registered name,
            ``timm:NAME``, ``FILE.py:Class``, a class or a function.
        num_classes: Outputs of the head; an error where the file's head has another number.
        weights: Which of several sets of weights in the file (``model_ema`` beside ``model``, or the prefix ``student``
            of its tensors' names): its keys in the file, joined by dots. A file with one set needs none.
        normalize: Channel statistics to use: a name, see `NORMALIZATIONS`, or ``MEAN/STD`` in numbers; None takes those
            of the file.
        resize: Length in pixels that the shorter side of an image is brought to, or "none"; None takes what the file
            records, else what is customary for the images or the network's stem.
        crop: Side in pixels of the central square of an image that is kept, or "none"; None as for `resize`.
        classes: Names of the head's outputs, in place of those that the file records: ``imagenet``, a file with a name
            per line, or the names.
        output: What the outputs are: ``softmax`` or ``sigmoid`` for logits of the one or the other, or
            ``probabilities``; None: the first forward shows whether they are probabilities, and a single output is the
            logit of a sigmoid.
        device: Where to put the model; "auto" is the GPU where there is one.
        trust: Whether code that the file asks for may run while it is read.

    Raises:
        CheckpointError: If the file cannot be read, identified or loaded completely.
        OptionError: If an option is not possible.
        UnknownNameError: If a name given is not known.
        MissingExtraError: If ``timm:NAME`` is asked for and timm is not installed.
    """
    statistics = None if normalize is None else statistics_of(normalize)
    geometry = Geometry(resize, crop)
    target = resolve_device(device)
    names = None if classes is None else read_class_names(classes)
    kind = checked_output_kind(output)
    request = Request.of(arch, genotype, attention, num_classes)
    found = begin(read_checkpoint(path, trust=trust), weights)
    interpret(found, request)
    assert found.build is not None  # interpret sets it or raises
    check_match(outline_of(found), found.state, found.path)
    check_finite(found.state, found.path)
    found.warnings += implausible_weights(found.state)
    model = build_aside(found.build)
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        raise OptionError(
            f"the network for {found.path} is built without memory (on torch's meta device); build it on the CPU."
        )
    load_strictly(model, found.state, found.path)
    return replace(_result(found, model.to(target).eval(), statistics, names), geometry=geometry, output=kind)


def _result(
    found: Interpretation, model: nn.Module, statistics: Preprocessing | None, names: tuple[str, ...] | None
) -> LoadedModel:
    record = found.record
    outputs = outputs_of(found)
    metrics = (record.metadata.get("metrics") if record else None) or {}
    if names is not None and outputs not in (None, len(names)) and (outputs, len(names)) != (1, 2):
        raise OptionError(
            f"--classes names {counted(len(names), 'class')}, and {found.path} has a head of "
            f"{counted(outputs or 0, 'output')}; name every output."
        )
    preprocessing = record.preprocessing if record else None
    if statistics is not None:
        preprocessing = preprocessing.with_statistics_of(statistics) if preprocessing else statistics
    return LoadedModel(
        model=model,
        spec=found.spec,
        preprocessing=preprocessing,
        classes=names or (record.classes if record else None),
        sha256=found.raw.sha256,
        path=found.path,
        source=record.source if record else None,
        evidence=(*found.evidence, *ignored_lines(found)),
        warnings=tuple(found.warnings),
        metadata=dict(record.metadata) if record else {},
        recorded_accuracy=recorded_accuracy(metrics, found.unwrapped.leftovers),
        input_side=found.spec.input_side if found.spec else side_of_named(str(found.dialect), model),
        usual_classes=tuple(BUILT_IN["imagenet"]()) if outputs == IMAGENET_OUTPUTS and _known_kind(found) else None,
    )


def _known_kind(found: Interpretation) -> bool:
    """Return whether a network is one of ours, of timm or of torchvision, so that 1000 outputs mean ImageNet."""
    return found.spec is not None or str(found.dialect).startswith(("timm:", "torchvision:"))


def ignored_lines(found: Interpretation) -> tuple[str, ...]:
    """Return what of a file is not used: tensors beside the network, and what lay beside the weights."""
    ignored = found.stripped.ignored if found.stripped else ()
    tensors = [f"ignored {len(ignored)} tensors beside the network: {', '.join(ignored[:_SHOWN])}"] if ignored else []
    more = " ..." if len(ignored) > _SHOWN else ""
    return (*(line + more for line in tensors), *(f"left over: {item}" for item in found.unwrapped.leftovers))
