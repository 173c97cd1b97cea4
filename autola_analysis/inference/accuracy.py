"""Accuracy, measured in every pass: the sign of wrong preprocessing or a wrong key map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

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
        self._comparable = has_head
        self._images = 0
        self._outputs = 0
        self._top1 = 0
        self._top5 = 0

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing: there are no layers."""

    def update(self, batch: Batch, kept: Mapping[str, Any], logits: Tensor) -> None:
        """Count one batch."""
        if self._images == 0:
            self._outputs = logits.shape[1]
            fits = labels_fit_head(self._num_classes, self._data_classes, self._head_classes, self._outputs)
            self._comparable = self._comparable and fits
        self._images += len(batch.labels)
        if self._comparable:
            best = logits.topk(min(5, self._outputs), dim=1).indices
            correct = best == batch.labels.to(best.device)[:, None]
            self._top1 += int(correct[:, 0].sum())
            self._top5 += int(correct.sum())

    def result(self) -> Accuracy:
        """Return the shares."""
        if not self._comparable or self._images == 0:
            return Accuracy(self._images, None, None)
        top5 = self._top5 / self._images if self._outputs > 5 else None
        return Accuracy(self._images, self._top1 / self._images, top5)


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
