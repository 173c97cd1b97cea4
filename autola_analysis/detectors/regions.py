"""Faster R-CNN's second stage: pooling of proposals, the head that reads them, detections by proposal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image, roi_align

from autola_analysis.detectors.suppression import Suppression


class RegionHeads(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    """torchvision's second stage, which also tells the proposal of every detection.

    Args:
        beta: Where the loss of boxes turns from a square into a line; 0 is the L1 loss.
        least_side: Detections with a shorter side are dropped, in pixels of the network's input.
        parts: As torchvision's `RoIHeads` takes them.
    """

    traces_candidates = True

    def __init__(self, *, beta: float, least_side: float, **parts: Any) -> None:
        super().__init__(**parts)
        self.beta = beta
        self.least_side = least_side

    def forward(
        self,
        features: Mapping[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Return the detections of every image and no losses; in training no detections, and the losses."""
        if self.training:
            proposals, _, labels, wanted = self.select_training_samples(proposals, targets)
            logits, deltas = self.read(features, proposals, image_shapes)
            return [], self.losses(logits, deltas, torch.cat(labels), torch.cat(wanted))
        logits, deltas = self.read(features, proposals, image_shapes)
        return self.detections(logits, deltas, proposals, image_shapes), {}

    def read(
        self, features: Mapping[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        """Return logits ``(R, C + 1)`` and deltas ``(R, 4 C + 4)`` of the proposals of all images."""
        pooled = self.box_roi_pool(features, proposals, image_shapes)
        return self.box_predictor(self.box_head(pooled))

    def levels(self, proposals: list[Tensor]) -> Tensor:
        """Return the number of the map that every proposal is read from, the finest is 0, ``(R,)``."""
        pool = self.box_roi_pool
        found: Tensor = (
            pool.levels(torch.cat(proposals)) if isinstance(pool, AlignedPooling) else pool.map_levels(proposals)
        )
        return found

    def losses(self, logits: Tensor, deltas: Tensor, labels: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Return both losses, divided by the number of samples."""
        positive = torch.where(labels > 0)[0]
        own = deltas.reshape(len(deltas), -1, 4)[positive, labels[positive]]
        box = F.smooth_l1_loss(own, wanted[positive], beta=self.beta, reduction="sum") / labels.numel()
        return {"loss_classifier": F.cross_entropy(logits, labels), "loss_box_reg": box}

    def detections(
        self, logits: Tensor, deltas: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Return the detections of every image, with the proposals that they come from and their indices."""
        keep = Suppression(self.score_thresh, self.nms_thresh, self.detections_per_img, least_side=self.least_side)
        counts = [len(each) for each in proposals]
        boxes = torch.split(self.box_coder.decode(deltas, proposals), counts)
        probabilities = torch.split(logits.softmax(-1), counts)
        found = []
        for own, scores, regions, shape in zip(boxes, probabilities, proposals, image_shapes, strict=True):
            kept = keep(clip_boxes_to_image(own, shape), scores)
            found.append({**kept, "proposals": regions[kept["candidates"]]})
        return found


class ProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's first stage with the L1 loss of boxes."""

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of objectness and that of boxes, each divided by the number of samples."""
        positive, negative = (torch.where(torch.cat(each))[0] for each in self.fg_bg_sampler(labels))
        sampled = torch.cat([positive, negative])
        wanted = torch.cat(regression_targets)[positive]
        box = F.l1_loss(pred_bbox_deltas[positive], wanted, reduction="sum") / max(len(sampled), 1)
        return F.binary_cross_entropy_with_logits(objectness.flatten()[sampled], torch.cat(labels)[sampled]), box


class AlignedPooling(MultiScaleRoIAlign):  # type: ignore[misc]
    """RoIAlign as mmdetection has it: aligned by half a pixel, samples as dense as the map, fixed strides.

    Args:
        levels: Names of the maps that are read, finest first.
        strides: Of these maps, in pixels.
        finest: Proposals whose side is below twice this are read from the finest map, in pixels.
        output_size: Side of what is pooled.
    """

    def __init__(self, levels: Sequence[str], strides: Sequence[int], finest: float, output_size: int) -> None:
        super().__init__(list(levels), output_size, sampling_ratio=0)
        self.strides = tuple(strides)
        self.finest = finest

    def forward(self, x: Mapping[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """Return ``(R, channels, output_size, output_size)`` of the proposals of all images."""
        owner = torch.cat([each.new_full((len(each), 1), index) for index, each in enumerate(boxes)])
        regions = torch.cat([owner, torch.cat(boxes)], 1)
        levels = self.levels(regions[:, 1:])
        first = x[self.featmap_names[0]]
        pooled = first.new_zeros(len(regions), first.shape[1], *self.output_size)
        for level, (name, stride) in enumerate(zip(self.featmap_names, self.strides, strict=True)):
            own = torch.where(levels == level)[0]
            values = roi_align(x[name], regions[own], self.output_size, 1 / stride, self.sampling_ratio, aligned=True)
            pooled = pooled.index_copy(0, own, values)
        return pooled

    def levels(self, boxes: Tensor) -> Tensor:
        """Return the index of the map that each proposal is read from, ``(R,)``."""
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
        return (side / self.finest + 1e-6).log2().floor().clamp(0, len(self.strides) - 1).long()


class ForegroundPredictor(FastRCNNPredictor):  # type: ignore[misc]
    """A predictor that moves boxes for the classes alone, not for the background.

    Args:
        in_channels: Features of a proposal.
        num_classes: Outputs, the background included.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, 4 * (num_classes - 1))
        for layer, deviation in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``(R, C + 1)`` and deltas ``(R, 4 C + 4)``, zero for the background."""
        logits, deltas = super().forward(x)
        return logits, F.pad(deltas, (4, 0))
