"""Candidates of a detector: what its head scores before suppression, each by an index that passes it.

A detection is a box and a number that suppression has chosen, and no gradient passes that. Its candidate (a default
box, a proposal) has a score that the network computes, and the gradient of that score says what the detection rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.ssd import SSD

from autola_analysis.core.errors import DataError

CANDIDATES = "candidates"
"""Key of the indices of candidates among the parts of detections"""
TRACES = "traces_candidates"
"""Attribute of detectors, or of their second stage, whose detections have that key"""


@dataclass(frozen=True)
class Candidates:
    """The candidates of one image, and what suppression leaves of them. No tensor is part of a graph.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the image as the network got it, for every output ``(R, C + 1, 4)``.
        probabilities: Of every output, the background first, ``(R, C + 1)``.
        detected: Candidate of every detection, the strongest first, ``(D,)``; nothing where none was asked for.
        labels: Output of every detection, from 1 on, ``(D,)``.
        scores: Probability of every detection, ``(D,)``.
        regions: Where the network looks for each, in pixels of the image, ``(R, 4)``; None where that is fixed.
    """

    boxes: Tensor
    probabilities: Tensor
    detected: Tensor
    labels: Tensor
    scores: Tensor
    regions: Tensor | None = None


@dataclass(frozen=True)
class Chosen:
    """What is explained in one image.

    Attributes:
        candidates: Index of the default box or proposal; -1 for a region of its own, ``(D,)``.
        labels: Output that is read, from 1 on, ``(D,)``.
        regions: Where the network is to look in place of its own proposals, in pixels of the image, ``(D, 4)``; None
            takes the candidates' own.
    """

    candidates: Tensor
    labels: Tensor
    regions: Tensor | None = None


Choose = Callable[[int, Candidates], Chosen] | Sequence[Chosen]
"""(number of an image in the batch, its candidates) -> what is explained in it; or that itself, of every image, which
`held` makes independent of what the network proposes"""


@dataclass(frozen=True)
class ScoredCandidates:
    """The scores of what is explained in a batch, image by image, with their graph.

    Attributes:
        scores: ``(D,)``.
        owners: Number of the image of each, ``(D,)``.
        levels: Number of the feature map that each is read from, the finest is 0, ``(D,)``.
        chosen: Of every image.
        candidates: Of every image; of none where what is explained was given.
    """

    scores: Tensor
    owners: Tensor
    levels: Tensor
    chosen: Sequence[Chosen]
    candidates: Sequence[Candidates]


def traces_candidates(detector: nn.Module) -> bool:
    """Return whether a detector says which candidates its detections come from."""
    return any(getattr(each, TRACES, False) for each in (detector, getattr(detector, "roi_heads", None)))


def held(chosen: Chosen, candidates: Candidates) -> Chosen:
    """Return the same choice with the regions that the network looks at now, whatever it proposes later."""
    if chosen.regions is not None or candidates.regions is None:
        return chosen
    return replace(chosen, regions=candidates.regions[chosen.candidates])


@torch.no_grad()
def candidates_before_suppression(detector: nn.Module, images: Tensor) -> list[Candidates]:
    """Return the candidates of images ``(B, 3, H, W)``, without detections.

    Args:
        detector: SSD or Faster R-CNN, of this package, in evaluation mode.
        images: As it takes them.
    """
    network: Any = detector
    batch, _ = network.transform([*images])
    return _candidates(network, images, batch, network.backbone(batch.tensors), suppressed=False)


class CandidateScores(nn.Module):
    """A detector that puts out the scores of some of its candidates.

    Its forward decodes and suppresses without a graph, asks which candidates are explained, and computes the scores of
    these alone with one. Where a proposal lies is a constant: the question is why this class is seen in this region.

    Args:
        detector: SSD or Faster R-CNN, of this package.
        choose: Which candidates are explained.
        margin: Whether the score is the logit less that of the background; else the logit alone.

    Raises:
        DataError: If the network is another detector.
    """

    detector: Any

    def __init__(self, detector: nn.Module, choose: Choose, margin: bool = False) -> None:
        super().__init__()
        if not traces_candidates(detector):
            raise DataError(
                f"candidates are known of the detectors of this package, and {type(detector).__name__} is none; load "
                "it with load_detector or make it with create_detector."
            )
        self.detector = detector
        self._choose = choose
        self._margin = margin

    def forward(self, images: Tensor) -> ScoredCandidates:
        """Return the scores for images ``(B, 3, H, W)``."""
        batch, _ = self.detector.transform([*images])
        maps = self.detector.backbone(batch.tensors)
        chosen, candidates = self._choice(images, batch, maps)
        counts = torch.tensor([len(each.labels) for each in chosen], device=images.device)
        owners = torch.repeat_interleave(torch.arange(len(chosen), device=images.device), counts)
        labels = torch.cat([each.labels for each in chosen])
        if isinstance(self.detector, SSD):
            numbers = torch.cat([each.candidates for each in chosen])
            levels, places = _ssd_levels(self.detector, list(maps.values()), numbers)
            logits = _ssd_logits(self.detector, list(maps.values()), owners, levels, places)
        else:
            scale = [_scale(images, size) for size in batch.image_sizes]
            regions = [_given(each) / by for each, by in zip(chosen, scale, strict=True)]
            logits, _ = self.detector.roi_heads.read(maps, regions, batch.image_sizes)
            levels = self.detector.roi_heads.levels(regions)
        scores = logits.gather(1, labels[:, None])[:, 0]
        if self._margin:
            scores = scores - logits[:, 0]
        return ScoredCandidates(scores, owners, levels, chosen, candidates)

    def _choice(
        self, images: Tensor, batch: Any, maps: Mapping[str, Tensor]
    ) -> tuple[Sequence[Chosen], Sequence[Candidates]]:
        """Return what is explained in every image, its regions with it, and the candidates that it is chosen from."""
        if not callable(self._choose):
            return self._choose, ()
        with torch.no_grad():
            apart = {name: each.detach() for name, each in maps.items()}
            candidates = _candidates(self.detector, images, batch, apart)
            chosen = [held(self._choose(number, each), each) for number, each in enumerate(candidates)]
        return chosen, candidates


def _candidates(
    detector: Any, images: Tensor, batch: Any, maps: Mapping[str, Tensor], suppressed: bool = True
) -> list[Candidates]:
    read = _ssd_candidates if isinstance(detector, SSD) else _region_candidates
    found = read(detector, batch, dict(maps), suppressed)
    return [_in_pixels(each, _scale(images, size)) for each, size in zip(found, batch.image_sizes, strict=True)]


def _scale(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the sides of an image as the network got it over those that its own resizing made, ``(4,)``."""
    down, across = (side / own for side, own in zip(images.shape[-2:], size, strict=True))
    return images.new_tensor([across, down, across, down])


def _in_pixels(candidates: Candidates, scale: Tensor) -> Candidates:
    regions = None if candidates.regions is None else candidates.regions * scale
    return replace(candidates, boxes=candidates.boxes * scale, regions=regions)


def _ssd_candidates(detector: SSD, batch: Any, maps: dict[str, Tensor], suppressed: bool) -> list[Candidates]:
    levels = list(maps.values())
    head, anchors = detector.head(levels), detector.anchor_generator(batch, levels)
    found = [_nothing(head["cls_logits"])] * len(anchors)
    if suppressed:
        found = detector.postprocess_detections(head, anchors, batch.image_sizes)
    outputs = head["cls_logits"].shape[-1]
    return [
        Candidates(
            detector.box_coder.decode_single(deltas, own)[:, None].expand(-1, outputs, -1),
            logits.softmax(-1),
            each[CANDIDATES],
            each["labels"],
            each["scores"],
        )
        for deltas, logits, own, each in zip(head["bbox_regression"], head["cls_logits"], anchors, found, strict=True)
    ]


def _region_candidates(
    detector: GeneralizedRCNN, batch: Any, maps: dict[str, Tensor], suppressed: bool
) -> list[Candidates]:
    heads, sizes = detector.roi_heads, batch.image_sizes
    proposals, _ = detector.rpn(batch, maps, None)
    logits, deltas = heads.read(maps, proposals, sizes)
    found = [_nothing(logits)] * len(proposals)
    if suppressed:
        found = heads.detections(logits, deltas, proposals, sizes)
    counts = [len(each) for each in proposals]
    boxes = torch.split(heads.box_coder.decode(deltas, proposals), counts)
    probabilities = torch.split(logits.softmax(-1), counts)
    return [
        Candidates(box, probability, each[CANDIDATES], each["labels"], each["scores"], own)
        for box, probability, each, own in zip(boxes, probabilities, found, proposals, strict=True)
    ]


def _nothing(like: Tensor) -> dict[str, Tensor]:
    """Return the parts of no detection."""
    numbers = torch.empty(0, dtype=torch.int64, device=like.device)
    return {CANDIDATES: numbers, "labels": numbers, "scores": like.new_empty(0)}


def _given(chosen: Chosen) -> Tensor:
    assert chosen.regions is not None
    return chosen.regions


def _ssd_levels(detector: SSD, maps: Sequence[Tensor], candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Return the level of every default box, and its place among those of the level: row, column, shape."""
    shapes = torch.tensor(detector.anchor_generator.num_anchors_per_location(), device=candidates.device)
    cells = torch.tensor([each.shape[-2] * each.shape[-1] for each in maps], device=candidates.device)
    stop = (cells * shapes).cumsum(0)
    levels = torch.bucketize(candidates, stop, right=True)
    return levels, candidates - (stop - cells * shapes)[levels]


def _ssd_logits(detector: SSD, maps: Sequence[Tensor], owners: Tensor, levels: Tensor, places: Tensor) -> Tensor:
    """Return the logits of some default boxes ``(D, C + 1)``, from the patch of the map that each is read from."""
    head = detector.head.classification_head
    logits = maps[0].new_zeros(len(places), head.num_columns)
    for level, (feature, module) in enumerate(zip(maps, head.module_list, strict=True)):
        own = torch.where(levels == level)[0]
        if not len(own):
            continue
        parts: list[Any] = [*module] if isinstance(module, nn.Sequential) else [module]
        convolution, *rest = parts
        shapes, width = convolution.out_channels // head.num_columns, feature.shape[-1]
        cells, shape = places[own] // shapes, places[own] % shapes
        (high, wide), (over, beside) = convolution.kernel_size, convolution.padding
        padded = F.pad(feature, (beside, beside, over, over))
        corners = zip(owners[own].tolist(), (cells // width).tolist(), (cells % width).tolist(), strict=True)
        patches = torch.stack([padded[image, :, y : y + high, x : x + wide] for image, y, x in corners])
        read = F.conv2d(patches, convolution.weight, convolution.bias)
        for layer in rest:
            read = layer(read)
        rows = read.reshape(len(own), shapes, head.num_columns)[torch.arange(len(own), device=own.device), shape]
        logits = logits.index_copy(0, own, rows)
    return logits
