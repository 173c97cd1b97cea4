"""From the scores of all candidates to detections, by candidate: no index is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms


@dataclass(frozen=True)
class Suppression:
    """What of the candidates' scores becomes a detection.

    Attributes:
        threshold: Probabilities up to here are no detection.
        overlap: Of two detections of one class whose IoU is larger, the weaker one goes.
        most: Detections of an image.
        most_of_class: Candidates of a class that are looked at; None for all.
        least_side: Detections with a shorter side are dropped, in pixels.
    """

    threshold: float
    overlap: float
    most: int
    most_of_class: int | None = None
    least_side: float = 0.0

    def __call__(self, boxes: Tensor, probabilities: Tensor) -> dict[str, Tensor]:
        """Return the detections of one image, strongest first.

        Args:
            boxes: x1, y1, x2, y2 of every candidate ``(R, 1, 4)``, or for every output ``(R, C + 1, 4)``.
            probabilities: Of every candidate, the background first, ``(R, C + 1)``.

        Returns:
            ``boxes (D, 4)``, ``labels (D,)`` from 1 on, ``scores (D,)`` and ``candidates (D,)``, their rows of `boxes`.
        """
        foreground = probabilities[:, 1:]
        candidates, labels = torch.where(foreground > self.threshold)
        if self.most_of_class is not None:
            strongest = _strongest(foreground[candidates, labels], labels, self.most_of_class)
            candidates, labels = candidates[strongest], labels[strongest]
        labels = labels + 1
        chosen = boxes[candidates, labels if boxes.shape[1] > 1 else torch.zeros_like(labels)]
        large = ((chosen[:, 2:] - chosen[:, :2]) >= self.least_side).all(1)
        chosen, candidates, labels = chosen[large], candidates[large], labels[large]
        scores = probabilities[candidates, labels]
        # Classes are kept apart by a distance larger than any coordinate, which takes coordinates from 0 on.
        corner = chosen.min().clamp(max=0) if len(chosen) else 0.0
        kept = batched_nms(chosen - corner, scores.to(chosen.dtype), labels, self.overlap)[: self.most]
        return {
            "boxes": chosen[kept],
            "labels": labels[kept],
            "scores": scores[kept],
            "candidates": candidates[kept],
        }


def _strongest(scores: Tensor, labels: Tensor, most: int) -> Tensor:
    """Return the indices of the `most` largest scores of every label."""
    by_score = scores.argsort(descending=True, stable=True)
    by_label = by_score[labels[by_score].argsort(stable=True)]
    counts = labels.bincount()
    first = counts.cumsum(0) - counts
    rank = torch.arange(len(labels), device=labels.device) - first[labels[by_label]]
    return by_label[rank < most]
