"""Tiny detectors, and references written from the formulas."""

import torch
import torchvision
from torch import Tensor
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import FrozenBatchNorm2d, box_iou

TINY = {"backbone": "resnet18", "backbone_options": {"width": 4}}
TINY_SSD = {
    **TINY,
    "side": 64,
    "steps": (8, 16, 32, 64),
    "scales": (8, 16, 28, 40, 64),
    "ratios": ((2,), (2, 3), (2,), (2,)),
    "extras": ((4, 8, 2), (4, 8, 2), (4, 8, 2)),
}

CLASSES = 4
SMALL = {"channels": 16, "hidden": 32, "short_side": 96, "long_side": 160}
"""Of a small Faster R-CNN"""


def torchvisions_faster_rcnn(seed: int) -> FasterRCNN:
    """torchvision's Faster R-CNN, small, with random weights that detect something."""
    torch.manual_seed(seed)
    body = torchvision.models.resnet18(weights=None, norm_layer=FrozenBatchNorm2d)
    stages = {f"layer{stage}": str(stage - 1) for stage in (1, 2, 3, 4)}
    backbone = BackboneWithFPN(body, stages, [64, 128, 256, 512], 16)
    head, predictor = TwoMLPHead(16 * 49, 32), FastRCNNPredictor(32, CLASSES + 1)
    model = FasterRCNN(
        backbone, None, box_head=head, box_predictor=predictor, min_size=96, max_size=160, rpn_post_nms_top_n_test=200
    )
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.uniform_(0.3, 0.6)
    with torch.no_grad():
        model.rpn.head.bbox_pred.weight.mul_(20)
        predictor.cls_score.weight.normal_(std=2)
        predictor.bbox_pred.weight.normal_(std=0.5)
    return model


def random_boxes(count: int, side: float, generator: torch.Generator, least: float = 4.0) -> Tensor:
    corners = torch.rand(count, 2, generator=generator) * (side - least)
    sizes = least + torch.rand(count, 2, generator=generator) * (side - least - corners)
    return torch.cat([corners, corners + sizes], 1)


def naive_suppression(boxes: Tensor, scores: Tensor, overlap: float) -> list[int]:
    """Keep the strongest, drop what overlaps it, and so on."""
    left = scores.argsort(descending=True, stable=True).tolist()
    kept = []
    while left:
        kept.append(left.pop(0))
        left = [each for each in left if box_iou(boxes[kept[-1:]], boxes[each : each + 1]).item() <= overlap]
    return kept
