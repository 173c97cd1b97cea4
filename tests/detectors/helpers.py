"""Tiny detectors, and references written from the formulas."""

import torch
from torch import Tensor
from torchvision.ops import box_iou

TINY = {"backbone": "resnet18", "backbone_options": {"width": 4}}
TINY_SSD = {
    **TINY,
    "side": 64,
    "steps": (8, 16, 32, 64),
    "scales": (8, 16, 28, 40, 64),
    "ratios": ((2,), (2, 3), (2,), (2,)),
    "extras": ((4, 8, 2), (4, 8, 2), (4, 8, 2)),
}


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
