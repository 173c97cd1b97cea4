"""What the pass, the faster copies and the gradients ask of a task."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from autola_analysis.inference.outputs import Output, Score
from autola_analysis.inference.tasks.accuracy import AccuracyObserver


class Task(Protocol):
    """What the output of a network means, and what the targets of a `Batch` are."""

    @property
    def name(self) -> str:
        """The task's name, as options and records write it."""

    @property
    def read_as(self) -> Any:
        """How outputs are read; batches carry it, so that observers know."""

    def settled(self, model: nn.Module, images: Tensor, output: Output) -> Task:
        """Return the task as it reads the outputs of a network, which may run once more for that.

        Args:
            model: The network.
            images: A few standardised images.
            output: What it puts out for them.
        """

    def scores(self, output: Output) -> Output:
        """Return an output as observers take it."""

    def about(self, output: Output) -> str:
        """Return what a reader must know of how outputs are read; empty where they are read as usual."""

    def check(self, output: Output, images: int) -> None:
        """Check that an output for a number of images has the form that the task needs.

        Raises:
            DataError: Saying what a network must put out, and what it does.
        """

    def finite(self, output: Output) -> Tensor:
        """Return per image whether all its values are finite, ``(B,)`` bool."""

    def same(self, expected: Output, found: Output) -> bool:
        """Return whether a faster copy of a network puts out the same, up to rounding."""

    def depends_on_batch(self, alone: Output, together: Output) -> bool:
        """Return whether the output for an image alone is another one than for the same image, the first of a batch."""

    def accuracy(
        self,
        num_classes: int,
        data_classes: tuple[str, ...] | None = None,
        head_classes: tuple[str, ...] | None = None,
        has_head: bool = True,
    ) -> AccuracyObserver:
        """Return the observer that measures how right the network is.

        Args:
            num_classes: Number of classes of the data.
            data_classes: Names of the classes of the data; None where the data has none.
            head_classes: Names of the classes of the network; None where they are not recorded.
            has_head: Whether the network predicts at all.
        """

    def score(self, targets: Any = None) -> Score:
        """Return the function that reads the score of a target of each image from an output.

        Args:
            targets: What is explained of each image, in the task's own form; None takes what the network predicts.
        """
