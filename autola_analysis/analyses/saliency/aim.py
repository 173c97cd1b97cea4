"""Reading what is explained from the output of a network: the score of a class, or what a function reads."""

from __future__ import annotations

import torch
from torch import Tensor

from autola_analysis.analyses.saliency.explanation import NO_CLASS
from autola_analysis.inference.class_scores import ending_of
from autola_analysis.inference.outputs import Output, Score
from autola_analysis.inference.tasks import Classification
from autola_analysis.inference.tasks.classification import predicted_classes


class ClassScore:
    """Reads the score of a class of each image.

    Args:
        task: How outputs are read, as far as that is known.
        classes: Class of each image, ``(B,)``; None takes the class with the highest score.
    """

    def __init__(self, task: Classification, classes: Tensor | None) -> None:
        self._task = task
        self._score = task.score(classes)
        self._ending = ""

    def __call__(self, output: Output) -> Tensor:
        """Return the scores of a batch, ``(B,)``."""
        self._ending = ending_of(output)
        return self._score(output)

    def settled(self, output: Output) -> Classification:
        """Return how outputs are read, as the output that was scored shows it; its graph is no longer needed."""
        return self._task.settled_by(output, self._ending)


def targets_and_scores(
    output: Output, aim: Tensor | Score | None, images: int, task: Classification
) -> tuple[Tensor, Tensor]:
    """Return what `Explanation.targets` and `Explanation.logits` hold of a batch."""
    if callable(aim):
        return torch.full((images,), NO_CLASS), torch.empty(images, 0)
    scores = task.scores(output)
    return predicted_classes(scores) if aim is None else aim.to(scores.device), scores
