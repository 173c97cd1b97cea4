"""Logits as data: what an evaluation makes of predictions that are known."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.evaluate.observer import PredictionObserver
from autola_analysis.analyses.evaluate.result import EvaluationResult
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Batch

READING = Reading(Settings(device="cpu", fold=False, quiet=True), batch_size=7)


class Reads(nn.Module):
    """A network that reads its logits from the first row of the image."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        return images[:, 0, 0, : self.outputs]


def images_of(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> TensorDataset:
    """Return a data set whose images hold the logits."""
    images = torch.zeros(len(logits), 3, 2, max(2, logits.shape[1]))
    images[:, 0, 0, : logits.shape[1]] = logits
    dataset = TensorDataset(images, labels)
    dataset.classes = list(classes)
    return dataset


def evaluated(
    logits: Tensor, labels: Tensor, classes: Sequence[str], name: str = "model", run: str = "1"
) -> EvaluationResult:
    """Evaluate a network with these logits."""
    variant = Variant(Reads(logits.shape[1]), name, run)
    return evaluate(variant, images_of(logits, labels, classes), reading=READING)


def drawn(images: int, classes: int, seed: int = 0, sharpness: float = 1.5) -> tuple[Tensor, Tensor]:
    """Return logits and labels of a network that is often right."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator)
    logits[torch.arange(images), labels] += sharpness
    return logits, labels


def watched(logits: Tensor, labels: Tensor, batch_size: int, first: int = 0) -> PredictionObserver:
    """Return an observer that has seen some images, whose labels number the logits."""
    observer = PredictionObserver(logits.shape[1], None, None)
    for start in range(0, len(labels), batch_size):
        stop = min(start + batch_size, len(labels))
        numbers = torch.arange(start, stop) + first
        observer.update(Batch(torch.empty(stop - start, 1), labels[start:stop], numbers), {}, logits[start:stop])
    return observer
