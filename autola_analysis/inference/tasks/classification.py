"""Classification: a network puts out logits ``(B, K)``, and each image has one class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autola_analysis.core.errors import DataError, LayerError, OptionError
from autola_analysis.inference.outputs import Output, Score, describe, same_outputs
from autola_analysis.inference.tasks.accuracy import AccuracyObserver

BATCH_DEPENDENCE = 1e-3
"""Difference between an image's logits alone and in a batch, relative to the largest, that rounding cannot explain."""


@dataclass(frozen=True)
class Classification:
    """One class per image: outputs are logits ``(B, K)``, targets are class numbers ``(B,)``, int64."""

    name: str = "classification"

    def check(self, output: Output, images: int) -> None:
        """Check that an output is logits.

        Raises:
            DataError: If it is not one tensor ``(images, classes)``.
        """
        if not _are_logits(output) or len(output) != images:
            raise DataError(f"a network must put out one tensor of logits (B, classes); found {describe(output)}.")

    def finite(self, output: Output) -> Tensor:
        """Return per image whether its logits are finite, ``(B,)`` bool."""
        return torch.isfinite(output).all(1)

    def same(self, expected: Output, found: Output) -> bool:
        """Return whether logits are the same up to rounding."""
        return same_outputs(expected, found)

    def depends_on_batch(self, alone: Output, together: Output) -> bool:
        """Return whether the logits of an image alone differ from those of the first image of a batch."""
        return bool(((alone - together[:1]).abs() > BATCH_DEPENDENCE * together.abs().max()).any())

    def accuracy(
        self,
        num_classes: int,
        data_classes: tuple[str, ...] | None = None,
        head_classes: tuple[str, ...] | None = None,
        has_head: bool = True,
    ) -> AccuracyObserver:
        """Return the observer of top-1 and top-5 accuracy."""
        return AccuracyObserver(num_classes, data_classes, head_classes, has_head)

    def score(self, targets: Tensor | None = None) -> Score:
        """Return the function that reads each image's logit of a class.

        The function raises an OptionError for a class that the network does not have, and a LayerError for an output
        that is not logits.

        Args:
            targets: Class of each image, ``(B,)``, int64; None takes the class with the highest logit.
        """

        def logit(output: Output) -> Tensor:
            logits = _logits(output)
            classes = predicted_classes(logits) if targets is None else targets.to(logits.device)
            check_range(classes, logits.shape[1])
            return logits.gather(1, classes[:, None])[:, 0]

        return logit


def predicted_classes(logits: Tensor) -> Tensor:
    """Return the class with the highest logit of each image, ``(B,)``, int64."""
    return logits.detach().argmax(1)


def check_range(targets: Tensor, outputs: int) -> None:
    """Refuse classes that a network does not have.

    Raises:
        OptionError: If a target is negative or not below the number of outputs.
    """
    outside = targets[(targets < 0) | (targets >= outputs)]
    if len(outside):
        raise OptionError(
            f"target class {int(outside[0])} is out of range: the network has {outputs} outputs, 0 to {outputs - 1}."
        )


def _are_logits(output: Output) -> bool:
    return isinstance(output, Tensor) and output.ndim == 2


def _logits(output: Output) -> Tensor:
    if not _are_logits(output):
        raise LayerError(
            f"explaining a class needs a network that puts out logits (B, classes); this one puts out "
            f"{describe(output)}: give as target a function that reads a score (B,) from the output."
        )
    logits: Tensor = output
    return logits
