"""Classification: a network puts out logits ``(B, K)``, and each image has one class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.output_kind import OutputKind
from autola_analysis.inference.class_scores import (
    about_output,
    class_scores,
    found_output_kind,
    is_single,
    kind_of_output,
    output_matrix,
)
from autola_analysis.inference.outputs import Output, Score, describe, same_outputs
from autola_analysis.inference.tasks.accuracy import AccuracyObserver

BATCH_DEPENDENCE = 1e-3
"""Difference between an image's logits alone and in a batch, relative to the largest, that rounding cannot explain."""


@dataclass(frozen=True)
class Classification:
    """One class per image: outputs are logits ``(B, K)``, targets are class numbers ``(B,)``, int64.

    Attributes:
        output: What the outputs are, see `OutputKind`; None: `settled` finds it out.
    """

    output: OutputKind | None = None
    name: str = "classification"

    def settled(self, model: nn.Module, images: Tensor, output: Output) -> Classification:
        """Return the task with what the outputs of a network are found to be, where that was not said.

        Args:
            model: The network.
            images: A few standardised images.
            output: What it puts out for them.
        """
        return self if self.output is not None else replace(self, output=found_output_kind(model, images, output))

    def settled_by(self, output: Output, ending: str | None = None) -> Classification:
        """Return the task with what an output is found to be, where that was not said; see `kind_of_output`."""
        return self if self.output is not None else replace(self, output=kind_of_output(output, ending))

    @property
    def read_as(self) -> OutputKind:
        """What the outputs are taken for."""
        return self.output or "softmax"

    def check(self, output: Output, images: int) -> None:
        """Check that an output is logits.

        Raises:
            DataError: If it is not one tensor ``(images, classes)`` or ``(images,)``.
        """
        matrix = output_matrix(output)
        if matrix is None or len(matrix) != images:
            raise DataError(f"a network must put out one tensor of logits (B, classes); found {describe(output)}.")

    def scores(self, output: Output) -> Tensor:
        """Return the score of every class, ``(B, C)``, see `class_scores`."""
        return class_scores(output, self.read_as)

    def about(self, output: Output) -> str:
        """Return what a reader must know of how the outputs are read; empty for logits of a softmax."""
        return about_output(self.read_as, _matrix(output).shape[1])

    def finite(self, output: Output) -> Tensor:
        """Return per image whether its logits are finite, ``(B,)`` bool."""
        return torch.isfinite(_matrix(output)).all(1)

    def same(self, expected: Output, found: Output) -> bool:
        """Return whether logits are the same up to rounding."""
        return same_outputs(expected, found)

    def depends_on_batch(self, alone: Output, together: Output) -> bool:
        """Return whether the logits of an image alone differ from those of the first image of a batch."""
        alone, together = _matrix(alone), _matrix(together)
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
        """Return the function that reads each image's score of a class, see `class_scores`.

        The function raises an OptionError for a class that the network does not have, and a LayerError for an output
        that is not logits.

        Args:
            targets: Class of each image, ``(B,)``, int64; None takes the class with the highest score.
        """

        def score(output: Output) -> Tensor:
            # Only a single number is read by what it is; the numbers of others, on a GPU, need not be waited for.
            scores = (self.settled_by(output) if is_single(output) else self).scores(output)
            if targets is not None:
                check_range(targets, scores.shape[1])
            classes = predicted_classes(scores) if targets is None else targets.to(scores.device)
            return scores.gather(1, classes[:, None])[:, 0]

        return score


def predicted_classes(scores: Tensor) -> Tensor:
    """Return the class with the highest score of each image, ``(B,)``, int64."""
    return scores.detach().argmax(1)


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


def _matrix(output: Output) -> Tensor:
    matrix = output_matrix(output)
    assert matrix is not None  # `check` has refused everything else
    return matrix
