"""From a detector's checkpoint file to a ready detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.backbones.building import build_aside
from autola_analysis.checkpoints.detector_shapes import OTHER_DETECTOR, options_of
from autola_analysis.checkpoints.dialects import translate
from autola_analysis.checkpoints.dialects.detection import DETECTOR_DIALECTS, DetectorDialect
from autola_analysis.checkpoints.identification import identify
from autola_analysis.checkpoints.interpretation import Interpretation, begin, outline_of
from autola_analysis.checkpoints.matching import check_match, load_strictly
from autola_analysis.checkpoints.reading import check_finite, implausible_weights, read_checkpoint
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import CheckpointError, OptionError
from autola_analysis.detectors import DetectorSpec
from autola_analysis.detectors.registry import DETECTORS

CLASSIFICATION = "classification"
WITHOUT_EPSILON = "258fb6c6"
"""In name and hash of torchvision's published Faster R-CNN, which was trained with batch norms of epsilon 0"""


@dataclass(frozen=True)
class LoadedDetector:
    """A detector from a checkpoint, and what is known about it.

    Attributes:
        model: The network with the file's weights, in evaluation mode.
        spec: What it is.
        classes: Names of classes, from label 1 on, where the file records them.
        dialect: Whose names the file had.
        sha256: Of the file.
        path: The file.
        evidence: Why we think that it is what it is, one conclusion per line.
        warnings: What was assumed.
        source: Name of the data it was trained on, where the file records it.
        metadata: ``recipe``, ``seed`` and ``metrics`` recorded in files of our own.
        category_ids: Of its classes, as files of results name them, where the file records them.
    """

    model: nn.Module
    spec: DetectorSpec
    classes: tuple[str, ...] | None
    dialect: str
    sha256: str
    path: Path
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    source: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    category_ids: tuple[int, ...] | None = None


def load_detector(
    path: str | Path,
    *,
    weights: str | None = None,
    bn_eps: float | None = None,
    device: str | torch.device = "auto",
    trust: bool = False,
) -> LoadedDetector:
    """Load a detector that this package, NVIDIA's, torchvision's, mmdetection's, Microsoft's or mmpose's code wrote.

    Loading is strict: every parameter and buffer comes from the file, every tensor of the file is used. The backbone
    may hold any attention that `load_model` knows, in any of its names.

    Args:
        path: The checkpoint file.
        weights: Which of several sets of weights in the file, see `load_model`.
        bn_eps: Added to the variances of the batch norms of Faster R-CNN's backbone, which only files of this package
            record; None takes 1e-5, and 0 for torchvision's published file.
        device: Where to put the model; "auto" is the GPU where there is one.
        trust: Whether code that the file asks for may run while it is read.

    Raises:
        CheckpointError: If the file cannot be read, identified or loaded completely.
        OptionError: If `bn_eps` is given of a file that records it.
    """
    target = resolve_device(device)
    found = begin(read_checkpoint(path, trust=trust), weights)
    if found.record is None:
        classes = recognise(found, bn_eps)
    else:
        _check_recorded(found, bn_eps)
        classes = found.record.classes
    assert found.detector is not None
    check_match(outline_of(found), found.state, found.path, OTHER_DETECTOR)
    check_finite(found.state, found.path)
    found.warnings += implausible_weights(found.state)
    model = build_aside(found.detector.build)
    load_strictly(model, found.state, found.path)
    record = found.record
    return LoadedDetector(
        model.eval().to(target),
        found.detector,
        classes,
        str(found.dialect),
        found.raw.sha256,
        found.path,
        tuple(found.evidence),
        tuple(found.warnings),
        record.source if record else None,
        dict(record.metadata) if record else {},
        record.category_ids if record else None,
    )


def _check_recorded(found: Interpretation, bn_eps: float | None) -> None:
    """Refuse a file of our own format that holds no detector, or one that cannot be built here."""
    if found.detector is None:
        raise CheckpointError(
            f"{found.path} holds a classifier, and a detector was asked for; load it with load_model."
        )
    if bn_eps is not None:
        raise OptionError(f"{found.path} records the epsilon of its batch norms; leave bn_eps out.")
    if found.detector.attention not in ATTENTIONS:
        raise CheckpointError(
            f"{found.path} records the attention {found.detector.attention!r}, which is not known here; register its "
            "class under this name with register_attention first."
        )


def recognise(found: Interpretation, bn_eps: float | None = None) -> tuple[str, ...] | None:
    """Find the detector of somebody else's file and name its tensors as it does; return the names of its classes.

    Args:
        found: What is known of the file.
        bn_eps: See `load_detector`.

    Raises:
        CheckpointError: If it holds no detector that is known here.
    """
    name, dialect, root = _dialect_of(found.unwrapped.state, found.path)
    inside = {key.removeprefix(root): each for key, each in found.unwrapped.state.items() if key.startswith(root)}
    ignored = len(found.unwrapped.state) - len(inside)
    found.evidence.append(f"dialect {name}: its names are those of {dialect.writer}")
    found.evidence += [f"tensor names begin with {root!r}, which was stripped"] * bool(root)
    found.evidence += [f"ignored {ignored} tensors that do not begin with {root!r}"] * bool(ignored)
    _refuse_caffe(found.raw.content, found.path)
    if scalars := [key for key, each in inside.items() if each.ndim == 0 and key.endswith((".weight", ".bias"))]:
        raise CheckpointError(f"{found.path} holds a single number for {scalars[0]}; it is damaged, so copy it again.")
    spec, found.state, shown, warnings = _identified(dialect, dialect.translate(inside), found.path)
    found.evidence += shown
    found.warnings += warnings
    if spec.kind == "faster-rcnn":
        eps, why = _epsilon(bn_eps, found.path, found.raw.sha256)
        spec = replace(spec, options={**spec.options, **({"bn_eps": eps} if eps != 1e-5 else {})})
        found.evidence.append(f"bn_eps {eps:g}: {why}")
    found.detector, found.build, found.dialect = spec, spec.build, name
    classes = _class_names(found.raw.content)
    if classes is None and spec.kind == "ssd300":
        found.warnings.append("the file has no label_map, so the names of its classes are not known")
    return classes if classes is None or len(classes) == spec.classes else None


def holds_detector(path: str | Path, weights: str | None = None, trust: bool = False) -> bool:
    """Return whether a checkpoint file holds a whole detector; see `task_of_file`."""
    return task_of_file(path, weights, trust) != CLASSIFICATION


def task_of_file(path: str | Path, weights: str | None = None, trust: bool = False) -> str:
    """Return the task of the network in a checkpoint file, by its record or the names of its tensors.

    It is "classification" unless the file holds a whole detector, or a network for joints.

    Args:
        path: The checkpoint file.
        weights: Which of several sets of weights in the file, see `load_model`.
        trust: Whether code that the file asks for may run while it is read.

    Raises:
        CheckpointError: If the file cannot be read.
    """
    return task_of(begin(read_checkpoint(path, trust=trust), weights))


def task_of(found: Interpretation) -> str:
    """Return the task of the network in a checkpoint file that has been read; see `task_of_file`."""
    if found.record is not None:
        kinds = [] if found.detector is None else [found.detector.kind]
    else:
        dialects = [DETECTOR_DIALECTS.get(name) for name in DETECTOR_DIALECTS]
        keys = found.unwrapped.state
        kinds = [each.kind for each in dialects if any(each.root(key) is not None for key in keys)]
    return DETECTORS.get(kinds[0]).task if kinds else CLASSIFICATION


def _dialect_of(state: Mapping[str, Tensor], path: Path) -> tuple[str, DetectorDialect, str]:
    """Return the dialect that a tensor's name shows, and what the names of its tensors begin with."""
    found = [
        (name, dialect, root)
        for name in DETECTOR_DIALECTS
        for dialect in (DETECTOR_DIALECTS.get(name),)
        for key in state
        if (root := dialect.root(key)) is not None
    ]
    if len(found) == 1:
        return found[0]
    if not found and any(key.endswith("bbox_head.fc_cls.weight") for key in state):
        raise CheckpointError(
            f"{path} holds a detector of mmdetection 1; bring it to version 2 with mmdetection's "
            "upgrade_model_version.py first."
        )
    if not found:
        raise CheckpointError(
            f"{path} holds no detector that is known here (found {', '.join(list(state)[:3])}, {len(state)} tensors); "
            "known are SSD300 of NVIDIA, Faster R-CNN of torchvision and mmdetection, SimpleBaseline of Microsoft and "
            f"mmpose; {OTHER_DETECTOR}."
        )
    listed = ", ".join(f"{name} behind {root!r}" for name, _, root in found)
    raise CheckpointError(f"{path} holds several detectors ({listed}); choose one with --weights KEY.")


def _identified(
    dialect: DetectorDialect, state: dict[str, Tensor], path: Path
) -> tuple[DetectorSpec, dict[str, Tensor], tuple[str, ...], tuple[str, ...]]:
    """Return the detector, its tensors, the evidence and the warnings."""
    body = {key.removeprefix(dialect.body): each for key, each in state.items() if _in_body(key, dialect)}
    translation = translate(body, path)
    backbone = identify(translation.state, path, trunk=dialect.kind == "ssd300")
    classes, options, shown = options_of(dialect.kind, state, path)
    own = {key: each for key, each in state.items() if not _in_body(key, dialect)}
    own |= {dialect.body + key: each for key, each in translation.state.items()}
    trunk = {key: value for key, value in backbone.spec.options.items() if key != "stages"}
    spec = DetectorSpec(dialect.kind, replace(backbone.spec, options=trunk), classes, options)
    return spec, own, (*translation.evidence, *backbone.evidence, shown), backbone.warnings


def _in_body(name: str, dialect: DetectorDialect) -> bool:
    return name.startswith(dialect.body)


def _epsilon(given: float | None, path: Path, sha256: str) -> tuple[float, str]:
    if given is not None:
        return given, "named by the user"
    if WITHOUT_EPSILON in path.name or sha256.startswith(WITHOUT_EPSILON):
        return 0.0, "torchvision's published file was trained so"
    return 1e-5, "what batch norms have unless somebody changes it; the file does not record it"


def _refuse_caffe(content: object, path: Path) -> None:
    meta = content.get("meta") if isinstance(content, Mapping) else None
    config = str(meta.get("config", meta.get("cfg", ""))) if isinstance(meta, Mapping) else ""
    if "style='caffe'" in config or 'style="caffe"' in config:
        raise CheckpointError(
            f"{path} records a backbone of the style 'caffe' (stride in the first convolution of a block), which is "
            "not built here; use a detector with a backbone of the style 'pytorch'."
        )


def _class_names(content: object) -> tuple[str, ...] | None:
    """Return the names of classes that NVIDIA's and mmdetection's files record."""
    if not isinstance(content, Mapping):
        return None
    labels: Any = content.get("label_map")
    if isinstance(labels, Mapping):
        return tuple(str(labels[number]) for number in sorted(labels) if number != 0)
    meta: Any = content.get("meta")
    if not isinstance(meta, Mapping):
        return None
    data = meta.get("dataset_meta")
    names = meta.get("CLASSES") or (data.get("classes") if isinstance(data, Mapping) else None)
    return tuple(map(str, names)) if isinstance(names, list | tuple) else None
