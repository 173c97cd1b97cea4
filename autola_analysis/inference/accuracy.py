"""Accuracy, measured in every pass: the sign of wrong preprocessing or a wrong key map."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autola_analysis.core.processes import Processes
from autola_analysis.inference.stream import Batch


@dataclass(frozen=True)
class Accuracy:
    """Top-1 and top-5 accuracy as shares; None where the labels are not those of the head.

    Attributes:
        images: Number of images.
        top1: Share of images whose label has the highest logit.
        top5: Share of images whose label is among the five highest; None below six classes.
    """

    images: int
    top1: float | None
    top5: float | None


class AccuracyObserver:
    """Count correct predictions.

    Args:
        num_classes: Number of classes of the data.
        data_classes: Their names; None where the data has none.
        head_classes: Names of the head's outputs; None where they are not recorded.
        has_head: Whether the outputs are logits at all.
    """

    layers: tuple[str, ...] = ()

    def __init__(
        self,
        num_classes: int,
        data_classes: tuple[str, ...] | None = None,
        head_classes: tuple[str, ...] | None = None,
        has_head: bool = True,
    ) -> None:
        self._num_classes = num_classes
        self._data_classes = data_classes
        self._head_classes = head_classes
        self._has_head = has_head
        self._seen = _Counts()

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing: there are no layers."""

    def update(self, batch: Batch, kept: Mapping[str, Any], logits: Tensor) -> None:
        """Count one batch."""
        seen = self._seen
        seen.outputs = logits.shape[1]
        seen.images += len(batch.labels)
        if self._comparable():
            best = logits.topk(min(5, seen.outputs), dim=1).indices
            correct = best == batch.labels.to(best.device)[:, None]
            seen.top1 += int(correct[:, 0].sum())
            seen.top5 += int(correct.sum())

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Add up the counts of all processes."""
        seen = self._seen
        counts = torch.tensor([seen.images, seen.top1, seen.top5])
        processes.add_up([counts], device)
        self._seen = _Counts(processes.told(seen.outputs), *counts.tolist())

    def save(self, folder: Path) -> None:
        """Write the counts into a folder."""
        (folder / "counts.json").write_text(json.dumps(asdict(self._seen)) + "\n", encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Take the counts that `save` wrote."""
        self._seen = _Counts(**json.loads((folder / "counts.json").read_text(encoding="utf-8")))

    def result(self) -> Accuracy:
        """Return the shares."""
        seen = self._seen
        if seen.images == 0 or not self._comparable():
            return Accuracy(seen.images, None, None)
        return Accuracy(seen.images, seen.top1 / seen.images, seen.top5 / seen.images if seen.outputs > 5 else None)

    def _comparable(self) -> bool:
        return self._has_head and labels_fit_head(
            self._num_classes, self._data_classes, self._head_classes, self._seen.outputs
        )


@dataclass
class _Counts:
    outputs: int = 0
    images: int = 0
    top1: int = 0
    top5: int = 0


def near_chance(accuracy: Accuracy, num_classes: int) -> bool:
    """Return whether top-1 accuracy is within three standard errors of guessing."""
    if accuracy.top1 is None:
        return False
    chance = 1 / num_classes
    return bool(accuracy.top1 < chance + 3 * (chance * (1 - chance) / accuracy.images) ** 0.5)


def chance_warning(name: str, accuracy: Accuracy, num_classes: int) -> str | None:
    """Return what to say of a network that is no better than guessing; None for one that is."""
    if not near_chance(accuracy, num_classes):
        return None
    return (
        f"{name}: top-1 accuracy {accuracy.top1:.1%} is no better than chance; "
        "is the preprocessing the one of training, and are the classes in the head's order?"
    )


def labels_fit_head(
    num_classes: int, data_classes: tuple[str, ...] | None, head_classes: tuple[str, ...] | None, outputs: int
) -> bool:
    """Return whether the labels of the data number the outputs of the head.

    Names decide where both sides have them; else the number of classes does.
    """
    if data_classes is not None and head_classes is not None:
        return tuple(data_classes) == tuple(head_classes)
    return outputs == num_classes
