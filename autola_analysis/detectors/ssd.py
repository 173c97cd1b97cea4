"""SSD300 around a ResNet: the trunk's last map and five smaller ones, each with boxes and classes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.ssd import SSD, SSDHead

from autola_analysis.backbones.resnet import ResNet
from autola_analysis.core.errors import OptionError
from autola_analysis.detectors.default_boxes import DefaultBoxes
from autola_analysis.detectors.registry import DETECTORS, Detector, Trunk
from autola_analysis.detectors.suppression import Suppression

Norm = Literal["extras", "all"]
ABOVE_HALF = 0.5 + 2**-24
"""The least float32 above 0.5: a default box is matched by an IoU above a half, and torchvision asks for at least."""
NEGATIVES = 3
"""Negatives in the loss for every positive"""


class SSD300(SSD):  # type: ignore[misc]  # torchvision has no types
    """torchvision's SSD with the default boxes, the loss and the decoding of the reference code for ResNet-50.

    Images are ``(3, H, W)`` in 0 to 1 and are stretched to the network's square by torchvision's bilinear resize, which
    leaves those alone that have its size already. Detections have the keys ``boxes`` (pixels of the image as it was
    given; they may reach beyond it), ``labels`` (1 to the number of classes), ``scores`` and ``candidates``: the index
    of the default box. Default boxes are in the order level, row, column, shape; output 0 is the background.
    """

    traces_candidates = True

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """Return both losses: of every image divided by its own positives, and then the mean over images."""
        images = zip(
            targets, head_outputs["bbox_regression"], head_outputs["cls_logits"], anchors, matched_idxs, strict=True
        )
        losses = [self._image_loss(*image) for image in images]
        box, classification = (torch.stack(each).mean() for each in zip(*losses, strict=True))
        return {"bbox_regression": box, "classification": classification}

    def _image_loss(
        self, target: dict[str, Tensor], deltas: Tensor, logits: Tensor, anchors: Tensor, matched: Tensor
    ) -> tuple[Tensor, Tensor]:
        positive = matched >= 0
        count = int(positive.sum())
        if not count:
            return deltas.sum() * 0, logits.sum() * 0
        wanted = self.box_coder.encode_single(target["boxes"][matched[positive]], anchors[positive])
        box = F.smooth_l1_loss(deltas[positive], wanted, reduction="sum")
        labels = torch.zeros_like(matched)
        labels[positive] = target["labels"][matched[positive]]
        entropy = F.cross_entropy(logits, labels, reduction="none")
        hardest = entropy[~positive].topk(min(NEGATIVES * count, len(matched) - count)).values
        return box / count, (entropy[positive].sum() + hardest.sum()) / count

    def postprocess_detections(
        self, head_outputs: dict[str, Tensor], image_anchors: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Return the detections of every image in pixels of the network's input."""
        keep = Suppression(self.score_thresh, self.nms_thresh, self.detections_per_img, self.topk_candidates)
        deltas, logits = head_outputs["bbox_regression"].double(), head_outputs["cls_logits"]
        decoded = map(self.box_coder.decode_single, deltas, image_anchors)
        detections = [keep(boxes[:, None], each) for boxes, each in zip(decoded, logits.softmax(-1), strict=True)]
        return [{**each, "boxes": each["boxes"].to(logits.dtype)} for each in detections]


class Levels(nn.Module):
    """The maps that SSD reads: the trunk's last one, then one for every extra block.

    Args:
        body: The trunk.
        extras: Middle channels, output channels and stride (1 or 2) of every extra block.
    """

    def __init__(self, body: ResNet, extras: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.body = body
        self.out_channels = [body.stage_channels[-1], *(out for _, out, _ in extras)]
        self.extras = nn.ModuleList()
        for inputs, (middle, outputs, stride) in zip(self.out_channels, extras, strict=False):
            self.extras.append(_extra_block(inputs, middle, outputs, stride))

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """Return the maps by level, ``{"0": (B, C0, H0, W0), ...}``."""
        x = list(self.body.stages(x).values())[-1]
        maps = OrderedDict({"0": x})
        for level, block in enumerate(self.extras, 1):
            x = maps[str(level)] = block(x)
        return maps


def _extra_block(inputs: int, middle: int, outputs: int, stride: int) -> nn.Sequential:
    """Return a 1x1 and a 3x3 convolution, the latter padded where it has a stride, each with batch norm and ReLU."""
    block = nn.Sequential(
        nn.Conv2d(inputs, middle, 1, bias=False),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, outputs, 3, stride, padding=1 if stride > 1 else 0, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
    for module in block:
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
    return block


def ssd300(
    trunk: Trunk,
    classes: int,
    *,
    side: int = 300,
    steps: Sequence[float] = (8, 16, 32, 64, 100, 300),
    scales: Sequence[float] = (21, 45, 99, 153, 207, 261, 315),
    ratios: Sequence[Sequence[float]] = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    extras: Sequence[Sequence[int]] = ((256, 512, 2), (256, 512, 2), (128, 256, 2), (128, 256, 1), (128, 256, 1)),
    norm: Norm = "extras",
    overlap: float = 0.5,
) -> SSD300:
    """Build SSD300 around the first three stages of a ResNet, the third at stride 1.

    Args:
        trunk: Builds the backbone.
        classes: Classes without the background.
        side: Side of the square that images are stretched to, in pixels.
        steps: Distance of the cells of each level, in pixels.
        scales: Side of the smallest square box of each level in pixels, and one more.
        ratios: Width-to-height ratios of further boxes of each level.
        extras: Middle channels, output channels and stride of the block that makes each level after the first.
        norm: Where batch norm stands: in the "extras", as in NVIDIA's code, or behind the head's convolutions too,
            as the supplement of AutoLA can be read ("all").
        overlap: IoU above which the weaker of two detections of a class is dropped.

    Raises:
        OptionError: If the levels of the options disagree, or `norm` is not known.

    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016; Huang et al., CVPR 2017 (the truncated ResNet);
        NVIDIA DeepLearningExamples, PyTorch/Detection/SSD.
    """
    levels = len(extras) + 1
    if not levels == len(steps) == len(ratios) == len(scales) - 1:
        raise OptionError(
            f"{levels} levels (one more than extras) need as many steps and ratios and {levels + 1} scales; "
            f"found {len(steps)}, {len(ratios)} and {len(scales)}."
        )
    if norm not in ("extras", "all"):
        raise OptionError(f"norm is 'extras' or 'all'; found {norm!r}.")
    maps = Levels(trunk(stages=3, stage_strides=(1, 2, 1)), extras)
    boxes = DefaultBoxes(side, steps, scales, ratios)
    head = SSDHead(maps.out_channels, boxes.num_anchors_per_location(), classes + 1)
    if norm == "all":
        for part in (head.classification_head, head.regression_head):
            normed = [nn.Sequential(each, nn.BatchNorm2d(each.out_channels)) for each in part.module_list]
            part.module_list = nn.ModuleList(normed)
    return SSD300(
        maps,
        boxes,
        (side, side),
        classes + 1,
        head=head,
        score_thresh=0.05,
        nms_thresh=overlap,
        detections_per_img=200,
        iou_thresh=ABOVE_HALF,
        topk_candidates=200,
    )


DETECTORS.register("ssd300")(
    Detector(ssd300, classes=80, description="SSD300 as NVIDIA builds it around a ResNet: boxes.")
)
