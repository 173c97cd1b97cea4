"""Accuracy, measured in every pass: the sign of wrong preprocessing or a wrong key map."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.core.distributed import Processes
from autola_analysis.core.transfer import Arriving, sent
from autola_analysis.data.imagenet import imagenet_classes
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch

ACCURACY, TOP1 = "accuracy", "top1"
"""What comparisons call the accuracy of every pass: where it comes from, and the statistic"""
SMALLEST_LOSS = 0.005
"""Difference from a recorded accuracy that other arithmetic explains"""


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
        self._unsettled: tuple[Tensor, Arriving] | None = None
        self._right: dict[int, tuple[Tensor, Tensor]] = {}
        """Number of a batch's first image -> numbers of its images, and whether each is right"""

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing: there are no layers."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Count one batch."""
        seen = self._seen
        seen.outputs = output.shape[1]
        seen.images += len(batch.targets)
        if self.fits:
            best = output.topk(min(5, seen.outputs), dim=1).indices
            self._unsettled = batch.indices, Arriving(best == sent(batch.targets, best.device)[:, None])

    def settle(self) -> None:
        """Count which predictions of the last batch are right."""
        if self._unsettled is None:
            return
        indices, arriving = self._unsettled
        self._unsettled = None
        correct = arriving.values()
        self._seen.top1 += int(correct[:, 0].sum())
        self._seen.top5 += int(correct.sum())
        self._right[int(indices[0])] = (indices, correct[:, 0])

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Add up the counts of all processes."""
        seen = self._seen
        counts = torch.tensor([seen.images, seen.top1, seen.top5])
        processes.all_reduce([counts], device)
        self._seen = _Counts(processes.first_not_empty(seen.outputs), *counts.tolist())
        self._right = dict(processes.gather_in_order(sorted(self._right.items())))

    def save(self, folder: Path) -> None:
        """Write the counts, and which images are right, into a folder."""
        correct = self.correct()
        np.save(folder / "correct.npy", np.empty(0, dtype=bool) if correct is None else correct)
        (folder / "counts.json").write_text(json.dumps(asdict(self._seen)) + "\n", encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Take the counts that `save` wrote."""
        self._seen = _Counts(**json.loads((folder / "counts.json").read_text(encoding="utf-8")))
        correct = torch.from_numpy(np.load(folder / "correct.npy"))
        self._right = {0: (torch.arange(len(correct)), correct)} if len(correct) else {}

    def result(self) -> Accuracy:
        """Return the shares."""
        seen = self._seen
        if seen.images == 0 or not self.fits:
            return Accuracy(seen.images, None, None)
        return Accuracy(seen.images, seen.top1 / seen.images, seen.top5 / seen.images if seen.outputs > 5 else None)

    def correct(self) -> NDArray[np.bool_] | None:
        """Return whether each image's label has the highest logit, ``(N,)``; None where that was not measured."""
        if not self._right or not self.fits:
            return None
        numbers, right = (torch.cat(parts) for parts in zip(*self._right.values(), strict=True))
        return np.asarray(right[numbers.argsort()].numpy(), dtype=bool)

    @property
    def outputs(self) -> int:
        """Number of classes that the network tells apart; 0 before the pass."""
        return self._seen.outputs

    @property
    def fits(self) -> bool:
        """Whether the labels of the data number the outputs of the network."""
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


def accuracy_warning(name: str, accuracy: Accuracy, num_classes: int, recorded: float | None) -> str | None:
    """Return what to say of a network that is worse than its file records, or no better than guessing; None: nothing.

    Args:
        name: Of the network.
        accuracy: As it was measured.
        num_classes: Number of classes of the data.
        recorded: Accuracy that the file records, a share; None where it records none.
    """
    if recorded is None or accuracy.top1 is None or accuracy.top1 >= recorded - _allowance(recorded, accuracy.images):
        return chance_warning(name, accuracy, num_classes)
    return (
        f"{name}: top-1 accuracy {accuracy.top1:.1%} is below the {recorded:.1%} that the file records; is the "
        "preprocessing the one of training, are the classes in the head's order, and are the images of the same data?"
    )


def _allowance(recorded: float, images: int) -> float:
    """Return how far below a recorded accuracy images drawn by chance may lie: three standard errors."""
    share = (recorded * images + 1) / (images + 2)  # a recorded 100% has a spread too
    return max(SMALLEST_LOSS, 3 * (share * (1 - share) / images) ** 0.5)


def labels_fit_head(
    num_classes: int, data_classes: tuple[str, ...] | None, head_classes: tuple[str, ...] | None, outputs: int
) -> bool:
    """Return whether the labels of the data number the outputs of the head.

    Names decide where both sides have them, WordNet ids standing for the names of ImageNet; else the number of classes
    does.
    """
    if data_classes is not None and head_classes is not None:
        return _named(data_classes) == _named(head_classes)
    return outputs == num_classes


def _named(classes: Sequence[str]) -> tuple[str, ...]:
    """Return class names, those of ImageNet in place of WordNet ids."""
    known = imagenet_classes()
    return tuple(known.get(name, name) for name in classes)
