"""The part that hangs on the pass: what a network predicts for every image, in few bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autola_analysis.analyses.evaluate.predictions import Predictions
from autola_analysis.core.distributed import Processes
from autola_analysis.inference.class_scores import log_probabilities
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, check_labels
from autola_analysis.inference.tasks.accuracy import labels_fit_head

TOP = 5
FILE = "predictions.npz"
OUTPUTS = "outputs"
WHOLE = ("labels", "predicted", "ranks")


class PredictionObserver:
    """Keep the prediction, its confidence, and the rank and likelihood of the label for every image.

    Args:
        num_classes: Number of classes of the data.
        data_classes: Their names; None where the data has none.
        head_classes: Names of the head's outputs; None where they are not recorded.
    """

    layers: tuple[str, ...] = ()

    def __init__(
        self, num_classes: int, data_classes: tuple[str, ...] | None, head_classes: tuple[str, ...] | None
    ) -> None:
        self._num_classes = num_classes
        self._data_classes = data_classes
        self._head_classes = head_classes
        self._parts: dict[int, dict[str, Tensor]] = {}
        """Number of a batch's first image -> columns of its images, and their numbers under "indices" """
        self.outputs = 0

    @property
    def fits(self) -> bool:
        """Whether the labels of the data number the outputs of the network."""
        return labels_fit_head(self._num_classes, self._data_classes, self._head_classes, self.outputs)

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing: there are no layers."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the predictions of one batch.

        Raises:
            DataError: If a label is not one of the classes.
        """
        check_labels(batch.targets, self._num_classes)
        self.outputs = output.shape[1]
        log_shares = log_probabilities(output, batch.read_as or "softmax")
        best = output.topk(min(TOP, self.outputs), dim=1).indices  # breaks ties as the accuracy of every pass does
        columns = {"labels": batch.targets, "predicted": best[:, 0], "confidence": log_shares.amax(1).exp()}
        if self.fits:
            labels = batch.targets.to(output.device)[:, None]
            hits = best == labels
            higher = (output > output.gather(1, labels)).sum(1).clamp(min=best.shape[1])
            columns["ranks"] = torch.where(hits.any(1), hits.int().argmax(1), higher)
            columns["nll"] = -log_shares.gather(1, labels)[:, 0]
        whole = _smallest(max(self.outputs, self._num_classes))
        kept_columns = {name: (value.to(whole) if name in WHOLE else value).cpu() for name, value in columns.items()}
        self._parts[int(batch.indices[0])] = {"indices": batch.indices, **kept_columns}

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring the predictions of all processes to the first one; the others have none afterwards."""
        self.outputs = max(processes.all_gather_object(self.outputs))  # a process may have seen no image
        self._parts = dict(processes.gather_in_order(sorted(self._parts.items())))

    def save(self, folder: Path) -> None:
        """Write the predictions into a folder."""
        arrays: dict[str, Any] = {**self.predictions().arrays(), OUTPUTS: np.array(self.outputs)}
        np.savez(folder / FILE, **arrays)

    def restore(self, folder: Path) -> None:
        """Take the predictions that `save` wrote."""
        with np.load(folder / FILE) as file:
            columns = {name: torch.from_numpy(file[name]) for name in file if name != OUTPUTS}
            self.outputs = int(file[OUTPUTS])
        self._parts = {0: {"indices": torch.arange(len(columns["labels"])), **columns}}

    def predictions(self) -> Predictions:
        """Return the predictions in the order of the images; none in all but the first of several processes."""
        names = ["labels", "predicted", "confidence", *(["ranks", "nll"] if self.fits else [])]
        if not self._parts:
            empty = {name: np.empty(0, np.int16 if name in WHOLE else np.float32) for name in names}
            return Predictions(**empty)  # type: ignore[arg-type]
        parts = self._parts.values()
        order = torch.cat([part["indices"] for part in parts]).argsort()
        return Predictions(**{name: torch.cat([part[name] for part in parts])[order].numpy() for name in names})


def _smallest(numbers: int) -> torch.dtype:
    """Return the smallest type of whole numbers that holds 0 to ``numbers - 1``."""
    return torch.int16 if numbers <= torch.iinfo(torch.int16).max + 1 else torch.int32
