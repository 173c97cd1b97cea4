"""The part of selectivity that hangs on the pass: sums of unit activity per class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.selectivity.labelings import Labelings
from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import DataError, LayerError
from autola_analysis.core.transfer import Arriving, sent
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, check_labels

Refuse = Callable[[str, Tensor], LayerError]
"""(layer, images of the batch) -> what to raise for a layer with negative activity"""


@dataclass(frozen=True)
class ClassSums:
    """What a pass leaves of one layer.

    Attributes:
        sums: Summed activity per fold and class, float64 ``(F, C, K)``.
        counts: Images per fold and class, ``(F, C)``.
        null_sums: Summed activity per permutation and class, float64 ``(P, C, K)``.
        free_sums: Likewise per permutation among objects of all sizes; none of images.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]
    null_sums: NDArray[np.float64]
    free_sums: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0, 0)))


def spatial_mean(activation: Tensor) -> Tensor:
    """Return the activity of every unit ``(B, K)``, a copy, of an activation ``(B, K)`` or ``(B, K, H, W)``."""
    if activation.ndim == 4:
        return activation.mean((2, 3), dtype=torch.float32)
    return activation.to(torch.float32, copy=True)


class SelectivityObserver:
    """Accumulate class sums of spatially averaged activity for several layers at once.

    The units of all layers lie side by side in one array ``((F + P) * C, K)``, so that a batch costs one indexed
    addition per labeling, however many layers there are.

    Args:
        layers: Names of the layers, each putting out ``(B, K)`` or ``(B, K, H, W)``.
        labelings: Labels to sum under.
        rectify: Whether negative activity is set to zero rather than refused.
        refuse: Makes the error for a layer with negative activity.
        average: Makes the activity ``(n, K)`` of n items of a layer's activation; without it, of the images.
    """

    def __init__(
        self,
        layers: Sequence[str],
        labelings: Labelings,
        rectify: bool,
        refuse: Refuse,
        average: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.layers = tuple(layers)
        self.labelings = labelings
        self._rectify = rectify
        self._refuse = refuse
        self._average = average or spatial_mean
        self._unsettled: tuple[Tensor, Arriving] | None = None
        self._units: dict[str, int] = {}
        self._sums = torch.empty(0, 0, dtype=torch.float64)
        self._counts = torch.zeros(labelings.num_folds * labelings.num_classes, dtype=torch.int64)

    def reduce(self, layer: str, activation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the activity per unit ``(n, K)`` and the smallest value of an activation.

        Raises:
            LayerError: If the activation has another shape than ``(B, K)`` or ``(B, K, H, W)``, or is none of objects.
        """
        if activation.ndim not in (2, 4):
            raise LayerError(
                f"layer {layer!r} puts out shape {tuple(activation.shape)}; "
                "class selectivity needs (B, K) or (B, K, H, W)."
            )
        if self._rectify:
            activation = activation.relu()
        try:
            return self._average(activation), activation.amin()
        except LayerError as error:
            raise LayerError(f"layer {layer!r} {error}") from error

    def update(self, batch: Batch, kept: Mapping[str, tuple[Tensor, Tensor]], output: Output) -> None:
        """Add one batch to the sums; `settle` checks its activity.

        Raises:
            DataError: If a label is not one of the classes.
        """
        self._check_labels(batch)
        activity = torch.cat([kept[layer][0] for layer in self.layers], dim=1)
        lowest = torch.stack([kept[layer][1].float() for layer in self.layers])
        finite = torch.isfinite(activity).all().float()
        self._unsettled = batch.images, Arriving(torch.cat([lowest, finite[None]]))
        self._add(batch, activity, {layer: kept[layer][0].shape[1] for layer in self.layers})

    def settle(self) -> None:
        """Check the activity of the batch that was added last.

        Raises:
            LayerError: If a layer has negative activity, or one that is not finite.
        """
        if self._unsettled is None:
            return
        images, arriving = self._unsettled
        self._unsettled = None
        *lowest, finite = arriving.values().tolist()
        for layer, least in zip(self.layers, lowest, strict=True):
            if least < 0:
                raise self._refuse(layer, images)
        if not finite:
            raise LayerError(f"activations that are not finite, in one of the layers {', '.join(self.layers)}.")

    def _check_labels(self, batch: Batch) -> None:
        check_labels(batch.targets, self.labelings.num_classes)
        expected = self.labelings.labels
        if expected is not None and not torch.equal(expected[batch.indices], batch.targets):
            raise DataError(
                "the loader hands out other labels than its data set lists (a target_transform, or a sampler that "
                "changes the order); give a loader whose labels are those of its data set, in order."
            )

    def _add(self, batch: Batch, activity: Tensor, units: dict[str, int]) -> None:
        if activity.device.type == "mps":
            activity = activity.cpu()
        activity = activity.to(torch.float64)
        labelings = self.labelings
        self._make_room(units, activity.device)
        labels = batch.targets
        if labelings.folds is not None:
            labels = labels + labelings.folds[batch.indices] * labelings.num_classes
        self._counts += torch.bincount(labels, minlength=len(self._counts))
        labels_of = [labels]
        for index, permuted in enumerate(labelings.beside):
            labels_of.append(permuted[batch.indices].long() + (labelings.num_folds + index) * labelings.num_classes)
        for rows in sent(torch.stack(labels_of), activity.device):
            self._add_rows(rows, activity)

    def _add_rows(self, rows: Tensor, activity: Tensor) -> None:
        """Add the activity of every image to a row of the sums, in the same order in every run."""
        if activity.is_cuda:  # an indexed addition there takes its summands as they come
            self._sums.index_put_((rows,), activity, accumulate=True)
        else:
            self._sums.index_add_(0, rows, activity)

    def _make_room(self, units: dict[str, int], device: torch.device) -> None:
        if not self._units:
            self._units = units
            groups = self.labelings.num_folds + len(self.labelings.beside)
            shape = (groups * self.labelings.num_classes, sum(units.values()))
            self._sums = torch.zeros(shape, dtype=torch.float64, device=device)

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Add up the sums of all processes, some of which may have seen no image."""
        self._make_room(processes.first_not_empty(self._units), device)
        processes.all_reduce([self._sums, self._counts], device)

    def save(self, folder: Path) -> None:
        """Write the sums into a folder."""
        np.savez(
            folder / "sums.npz",
            sums=self._sums.cpu().numpy(),
            counts=self._counts.numpy(),
            layers=np.array(list(self._units)),
            units=np.array(list(self._units.values())),
        )

    def restore(self, folder: Path) -> None:
        """Take the sums that `save` wrote."""
        with np.load(folder / "sums.npz") as arrays:
            self._sums, self._counts = torch.from_numpy(arrays["sums"]), torch.from_numpy(arrays["counts"])
            self._units = dict(zip(arrays["layers"].tolist(), arrays["units"].tolist(), strict=True))

    def class_sums(self) -> dict[str, ClassSums]:
        """Return what was accumulated, per layer."""
        folds, classes = self.labelings.num_folds, self.labelings.num_classes
        within = folds + len(self.labelings.permuted)
        sums = self._sums.cpu().numpy().reshape(-1, classes, self._sums.shape[1])
        counts = self._counts.numpy().reshape(folds, classes)
        columns = np.split(sums, np.cumsum(list(self._units.values()))[:-1], axis=2)
        return {
            layer: ClassSums(layer_sums[:folds], counts, layer_sums[folds:within], layer_sums[within:])
            for layer, layer_sums in zip(self._units, columns, strict=True)
        }
