"""Naming schemes of other people's detectors, each translated into ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from autola_analysis.checkpoints.dialects.base import Renames
from autola_analysis.core.registry import Registry

State = dict[str, Tensor]


@dataclass(frozen=True)
class DetectorDialect:
    """A naming scheme of a whole detector. Its backbone's tensors have a dialect of their own.

    Attributes:
        kind: The detector, see `create_detector`.
        writer: Whose code writes it, for the evidence.
        anchor: Name that one tensor has in this dialect and in no other, as a pattern.
        body: What the names of the backbone's tensors begin with, in our names.
        renames: (pattern, replacement) pairs applied to every name in order.
        adapt: Changes to the renamed tensors.
    """

    kind: str
    writer: str
    anchor: str
    body: str
    renames: Renames = ()
    adapt: Callable[[State], State] | None = None

    def root(self, name: str) -> str | None:
        """Return what stands before the anchor in a tensor's name; None for other tensors."""
        match = re.fullmatch(rf"(?P<root>(?:.*\.)?)(?:{self.anchor})", name)
        return match["root"] if match else None

    def translate(self, state: State) -> State:
        """Return the tensors by our names and in our order of channels."""
        renamed = {}
        for name, tensor in state.items():
            for pattern, replacement in self.renames:
                name = re.sub(pattern, replacement, name)
            renamed[name] = tensor
        return renamed if self.adapt is None else self.adapt(renamed)


def by_box(state: State) -> State:
    """Bring the head's channels from (value, box) to (box, value), without arithmetic.

    Tensors that cannot be those of such a head stay as they are; the strict match refuses them.
    """
    adapted = dict(state)
    for name, tensor in state.items():
        match = re.fullmatch(r"head\.\w+\.module_list\.(\d+)\.(weight|bias)", name)
        bias = state.get(f"head.regression_head.module_list.{match[1]}.bias") if match else None
        if bias is not None and len(bias) >= 4 and len(tensor) % (boxes := len(bias) // 4) == 0:
            adapted[name] = tensor.reshape(-1, boxes, *tensor.shape[1:]).transpose(0, 1).flatten(0, 1)
    return adapted


def background_first(state: State) -> State:
    """Bring the background's score from the end to the beginning."""
    scores = {name: tensor.roll(1, 0) for name, tensor in state.items() if "box_predictor.cls_score." in name}
    return {**state, **scores}


DETECTOR_DIALECTS: Registry[DetectorDialect] = Registry("detector dialect")

DETECTOR_DIALECTS.register("nvidia-ssd")(
    DetectorDialect(
        kind="ssd300",
        writer="NVIDIA's DeepLearningExamples",
        anchor=r"feature_extractor\.feature_extractor\.0\.weight",
        body="backbone.body.",
        renames=(
            (r"^feature_extractor\.feature_extractor\.0\.", "backbone.body.conv1."),
            (r"^feature_extractor\.feature_extractor\.1\.", "backbone.body.bn1."),
            (r"^feature_extractor\.feature_extractor\.4\.", "backbone.body.layer1."),
            (r"^feature_extractor\.feature_extractor\.5\.", "backbone.body.layer2."),
            (r"^feature_extractor\.feature_extractor\.6\.", "backbone.body.layer3."),
            (r"^additional_blocks\.", "backbone.extras."),
            (r"^loc\.", "head.regression_head.module_list."),
            (r"^conf\.", "head.classification_head.module_list."),
        ),
        adapt=by_box,
    )
)
DETECTOR_DIALECTS.register("mmdet-faster-rcnn")(
    DetectorDialect(
        kind="faster-rcnn",
        writer="mmdetection 2 or 3",
        anchor=r"roi_head\.bbox_head\.fc_cls\.weight",
        body="backbone.body.",
        renames=(
            (r"^backbone\.", "backbone.body."),
            (r"^neck\.lateral_convs\.(\d+)\.conv\.", r"backbone.fpn.inner_blocks.\1.0."),
            (r"^neck\.fpn_convs\.(\d+)\.conv\.", r"backbone.fpn.layer_blocks.\1.0."),
            (r"^rpn_head\.rpn_conv\.", "rpn.head.conv.0.0."),
            (r"^rpn_head\.rpn_cls\.", "rpn.head.cls_logits."),
            (r"^rpn_head\.rpn_reg\.", "rpn.head.bbox_pred."),
            (r"^roi_head\.bbox_head\.shared_fcs\.0\.", "roi_heads.box_head.fc6."),
            (r"^roi_head\.bbox_head\.shared_fcs\.1\.", "roi_heads.box_head.fc7."),
            (r"^roi_head\.bbox_head\.fc_cls\.", "roi_heads.box_predictor.cls_score."),
            (r"^roi_head\.bbox_head\.fc_reg\.", "roi_heads.box_predictor.bbox_pred."),
        ),
        adapt=background_first,
    )
)
DETECTOR_DIALECTS.register("torchvision-faster-rcnn")(
    DetectorDialect(
        kind="faster-rcnn",
        writer="torchvision",
        anchor=r"roi_heads\.box_predictor\.cls_score\.weight",
        body="backbone.body.",
        renames=(  # of its files before version 0.12; later ones have our names
            (r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2"),
            (r"^rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
        ),
    )
)
DETECTOR_DIALECTS.register("mmpose")(
    DetectorDialect(
        kind="pose",
        writer="mmpose",
        anchor=r"(keypoint_)?head\.deconv_layers\.0\.weight",
        body="backbone.",
        renames=(
            (r"^(keypoint_)?head\.deconv_layers\.", "deconvs."),
            (r"^(keypoint_)?head\.final_layer\.", "final."),
        ),
    )
)
DETECTOR_DIALECTS.register("simple-baseline")(
    DetectorDialect(
        kind="pose",
        writer="Microsoft's human-pose-estimation.pytorch",
        anchor=r"(?<!head\.)deconv_layers\.0\.weight",
        body="backbone.",
        renames=(
            (r"^(?!deconv_layers\.|final_layer\.)", "backbone."),
            (r"^deconv_layers\.", "deconvs."),
            (r"^final_layer\.", "final."),
        ),
    )
)
