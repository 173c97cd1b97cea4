"""From the tensors of a detector, by our names, to its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from autola_analysis.core.errors import CheckpointError

SSD_BOXES = (4, 6, 6, 6, 4, 4)
"""Default boxes of a cell of each level of SSD300"""
SSD_EXTRAS = (512, 512, 256, 256, 256)
"""Output channels of the extra blocks of SSD300"""
ANCHORS = 3
"""Anchors of a cell of Faster R-CNN with a feature pyramid"""
OTHER_DETECTOR = (
    "a detector of another kind is not built here; what it finds can be given with --detections NAME=FILE.json"
)
"""What to do about a file that is no detector of ours"""
State = Mapping[str, Tensor]


def options_of(kind: str, state: State, path: Path) -> tuple[int, dict[str, Any], str]:
    """Return the number of classes or joints, the options that differ from the defaults, and how they show.

    Args:
        kind: Of the detector, see `create_detector`.
        state: Tensors by our names.
        path: The file, for messages.

    Raises:
        CheckpointError: If the head is one that is not known here.
    """
    return {"ssd300": _ssd, "faster-rcnn": _faster_rcnn, "pose": _pose}[kind](state, path)


def _ssd(state: State, path: Path) -> tuple[int, dict[str, Any], str]:
    rows = _rows(state, "head.regression_head.module_list.{}.bias")
    boxes = tuple(each // 4 for each in rows)
    extras = tuple(_rows(state, "backbone.extras.{}.3.weight"))
    if boxes != SSD_BOXES or extras != SSD_EXTRAS:
        raise CheckpointError(
            f"{path} holds an SSD with {list(boxes)} boxes per cell and extra blocks of {list(extras)} channels, where "
            f"SSD300 has {list(SSD_BOXES)} and {list(SSD_EXTRAS)}; build it with create_detector and load its state."
        )
    outputs = len(_tensor(state, "head.classification_head.module_list.0.bias", path)) // boxes[0]
    return outputs - 1, {}, f"{outputs - 1} classes: rows of the first level's scores over its {boxes[0]} boxes"


def _faster_rcnn(state: State, path: Path) -> tuple[int, dict[str, Any], str]:
    anchors = len(_tensor(state, "rpn.head.cls_logits.weight", path))
    if anchors != ANCHORS:
        raise CheckpointError(
            f"{path} holds a region proposal network with {anchors} anchors per cell, where one with a feature pyramid "
            f"has {ANCHORS}; use a file of Faster R-CNN with FPN."
        )
    outputs = len(_tensor(state, "roi_heads.box_predictor.cls_score.weight", path))
    deltas = len(_tensor(state, "roi_heads.box_predictor.bbox_pred.weight", path))
    styles = {4 * outputs: "torchvision", 4 * (outputs - 1): "mmdet2"}
    if deltas not in styles:
        agnostic = " (one box for all classes)" if deltas == 4 else ""
        raise CheckpointError(
            f"{path} holds a head with {outputs} scores and {deltas} box values{agnostic}, where a box per class is "
            "expected; train the detector with boxes per class (reg_class_agnostic=False)."
        )
    found = {
        "style": styles[deltas],
        "channels": len(_tensor(state, "backbone.fpn.inner_blocks.0.0.weight", path)),
        "hidden": len(_tensor(state, "roi_heads.box_head.fc6.weight", path)),
    }
    defaults = {"style": "mmdet2", "channels": 256, "hidden": 1024}
    options = {name: value for name, value in found.items() if value != defaults[name]}
    return outputs - 1, options, f"style {styles[deltas]}: {deltas} box values for {outputs} scores"


def _pose(state: State, path: Path) -> tuple[int, dict[str, Any], str]:
    last = _tensor(state, "final.weight", path)
    joints, channels = len(last), last.shape[1] if last.ndim > 1 else 0
    deconvs = sum(name.startswith("deconvs.") and tensor.ndim == 4 for name, tensor in state.items())
    found, defaults = {"channels": channels, "deconvs": deconvs}, {"channels": 256, "deconvs": 3}
    options = {name: value for name, value in found.items() if value != defaults[name]}
    return joints, options, f"{joints} joints: rows of the last layer"


def _rows(state: State, name: str) -> list[int]:
    """Return the lengths of the tensors that are numbered from 0 on."""
    lengths: list[int] = []
    while (tensor := state.get(name.format(len(lengths)))) is not None:
        lengths.append(len(tensor))
    return lengths


def _tensor(state: State, name: str, path: Path) -> Tensor:
    if name not in state:
        raise CheckpointError(f"{path} holds a detector without {name}; {OTHER_DETECTOR}.")
    return state[name]
