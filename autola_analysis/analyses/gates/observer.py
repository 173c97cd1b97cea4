"""The part of gate statistics that hangs on the pass: sums of every gate's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.gates.find import Gate
from autola_analysis.analyses.gates.objects import HeldObjects
from autola_analysis.analyses.per_image import PerImageValues
from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import LayerError
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, check_labels

SATURATED_LOW = 0.05
SATURATED_HIGH = 0.95
SPATIAL = "spatial "
"""What names of sums of maps begin with; their size follows"""
Size = tuple[int, int]
"""Height and width"""


@dataclass(frozen=True)
class GateActivity:
    """What is kept of one gate for one batch, per image and unit; all shapes ``(B, K)`` but for the map.

    Attributes:
        mean: Mean over positions.
        square: Mean of squares over positions.
        low: Share of positions below `SATURATED_LOW`.
        high: Share of positions above `SATURATED_HIGH`.
        spatial_sum: Sum over the batch's images of a spatial gate, ``(H, W)``; None for gates of channels.
        contrast: See `HeldObjects.contrasts`, ``(n,)``; None for gates of channels, and without objects.
    """

    mean: Tensor
    square: Tensor
    low: Tensor
    high: Tensor
    spatial_sum: Tensor | None
    contrast: Tensor | None = None


@dataclass
class GateSums:
    """Sums over the images of a pass, float64.

    Attributes:
        class_sums: Sums of each image's mean per class that it shows, ``(C, K)``.
        class_squares: Sums of the squares of each image's mean per class that it shows, ``(C, K)``.
        total: Sum of each image's mean, ``(K,)``.
        square: Sum of squares, ``(K,)``.
        low: Sum of the shares near 0, ``(K,)``.
        high: Sum of the shares near 1, ``(K,)``.
        spatial: Sums of the maps of a spatial gate ``(H, W)`` by their size, which is that of the images where these
            differ; none for gates of channels.
    """

    class_sums: Tensor
    class_squares: Tensor
    total: Tensor
    square: Tensor
    low: Tensor
    high: Tensor
    spatial: dict[Size, Tensor]

    @classmethod
    def empty(cls, classes: int, units: int) -> GateSums:
        """Return sums over no image."""
        nothing = partial(torch.zeros, dtype=torch.float64)
        return cls(
            class_sums=nothing(classes, units),
            class_squares=nothing(classes, units),
            total=nothing(units),
            square=nothing(units),
            low=nothing(units),
            high=nothing(units),
            spatial={},
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return all sums by name, in an order that depends on the names alone."""
        maps = {f"{SPATIAL}{height}x{width}": self.spatial[height, width] for height, width in sorted(self.spatial)}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "spatial"} | maps

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> GateSums:
        """Return the sums that gave these tensors."""
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(SPATIAL)}
        sums = cls(**own, spatial={})
        for name in tensors.keys() - own.keys():
            height, width = map(int, name.removeprefix(SPATIAL).split("x"))
            sums.spatial[height, width] = tensors[name]
        return sums

    def mean_map(self, images: int) -> Tensor | None:
        """Return the mean map of a spatial gate ``(H, W)``, at the largest size of all; None for gates of channels."""
        if not self.spatial:
            return None
        largest = max(self.spatial, key=lambda size: (size[0] * size[1], size))
        brought = [F.interpolate(each[None, None], largest, mode="bilinear") for each in self.spatial.values()]
        return torch.stack(brought).sum(0)[0, 0] / images


class GateObserver:
    """Accumulate the statistics of a network's gates.

    Args:
        gates: See `find_gates`.
        num_classes: C of the data.
        objects: Of the images; None where every image is of one class.
    """

    def __init__(self, gates: Sequence[Gate], num_classes: int, objects: HeldObjects | None = None) -> None:
        self.gates = tuple(gates)
        self.layers = tuple(gate.layer for gate in gates)
        self.counts = torch.zeros(num_classes, dtype=torch.int64)
        self.images = torch.zeros(1, dtype=torch.int64)
        self.sums: dict[str, GateSums] = {}
        self.objects = objects
        self._contrasts = PerImageValues(self.layers)

    def begin(self, batch: Batch) -> None:
        """Note whose objects are looked at next."""
        if self.objects is not None:
            self.objects.begin(batch)

    def reduce(self, layer: str, activation: Tensor) -> GateActivity:
        """Average a gate ``(B, K)``, ``(B, K, 1, 1)`` or ``(B, K, H, W)`` over positions.

        Raises:
            LayerError: If the gate has another shape.
        """
        if activation.ndim not in (2, 4):
            raise LayerError(f"gate {layer!r} has shape {tuple(activation.shape)}; gates are (B, K) or (B, K, H, W).")
        gate = activation.float().reshape(*activation.shape[:2], -1)
        spatial = activation.ndim == 4 and activation.shape[1] == 1 and activation.shape[2:].numel() > 1
        return GateActivity(
            mean=gate.mean(2),
            square=gate.square().mean(2),
            low=(gate < SATURATED_LOW).float().mean(2),
            high=(gate > SATURATED_HIGH).float().mean(2),
            spatial_sum=activation.float().sum((0, 1)) if spatial else None,
            contrast=self.objects.contrasts(activation) if spatial and self.objects else None,
        )

    def update(self, batch: Batch, kept: Mapping[str, GateActivity], output: Output) -> None:
        """Add one batch.

        Raises:
            DataError: If a label is not one of the classes.
        """
        classes = len(self.counts)
        if self.objects is None:
            check_labels(batch.targets, classes)
            places, labels = torch.arange(len(batch.targets)), batch.targets
        else:
            places, labels = self.objects.classes()
            self._keep_contrasts(batch, kept, self.objects.numbers())
        self.counts += torch.bincount(labels, minlength=classes)
        self.images += len(batch.indices)
        for layer in self.layers:
            self._add(layer, kept[layer], places, labels)

    def _keep_contrasts(self, batch: Batch, kept: Mapping[str, GateActivity], numbers: Tensor) -> None:
        if len(numbers):
            unknown = torch.full((len(numbers),), torch.nan)
            found = {layer: each.contrast for layer, each in kept.items()}
            values = {layer: unknown if each is None else each.float().cpu() for layer, each in found.items()}
            self._contrasts.keep(Batch(batch.images, None, numbers), values)

    def contrasts(self) -> dict[str, NDArray[np.float32]]:
        """Return per layer the contrast of a spatial gate at every object, ``(N,)``; NaN of gates of channels."""
        return self._contrasts.values()

    def _add(self, layer: str, activity: GateActivity, places: Tensor, labels: Tensor) -> None:
        mean = activity.mean.double().cpu()
        spatial = {}
        if activity.spatial_sum is not None:
            height, width = activity.spatial_sum.shape
            spatial[height, width] = activity.spatial_sum.double().cpu()
        sums = self._make_room(layer, mean.shape[1], spatial)
        sums.class_sums.index_add_(0, labels, mean[places])
        sums.class_squares.index_add_(0, labels, mean[places].square())
        sums.total += mean.sum(0)
        sums.square += activity.square.double().sum(0).cpu()
        sums.low += activity.low.double().sum(0).cpu()
        sums.high += activity.high.double().sum(0).cpu()
        for size, maps in spatial.items():
            sums.spatial[size] += maps

    def _make_room(self, layer: str, units: int, sizes: Iterable[Size]) -> GateSums:
        """Return the sums of a gate, which have room for maps of some sizes."""
        if layer not in self.sums:
            self.sums[layer] = GateSums.empty(len(self.counts), units)
        sums = self.sums[layer]
        for size in sizes:
            sums.spatial.setdefault(size, torch.zeros(size, dtype=torch.float64))
        return sums

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Add up the sums of all processes, some of which may have seen no image."""
        own = {layer: (sums.class_sums.shape[1], list(sums.spatial)) for layer, sums in self.sums.items()}
        for everywhere in processes.all_gather_object(own):
            for layer, (units, sizes) in everywhere.items():
                self._make_room(layer, units, sizes)
        found = [tensor for layer in self.layers for tensor in self.sums[layer].tensors().values()]
        processes.all_reduce([self.counts, self.images, *found], device)
        self._contrasts.gather(processes, device)

    def save(self, folder: Path) -> None:
        """Write the sums into a folder."""
        self._contrasts.save(folder)
        arrays = {"counts": self.counts.numpy(), "images": self.images.numpy()}
        for layer, sums in self.sums.items():
            arrays |= {f"{layer}/{name}": tensor.numpy() for name, tensor in sums.tensors().items()}
        np.savez(folder / "sums.npz", **arrays)  # type: ignore[arg-type]

    def restore(self, folder: Path) -> None:
        """Take the sums that `save` wrote."""
        with np.load(folder / "sums.npz") as arrays:
            self.counts, self.images = torch.from_numpy(arrays["counts"]), torch.from_numpy(arrays["images"])
            self.sums = {layer: _sums_of(arrays, layer) for layer in self.layers}
        self._contrasts.restore(folder)


def _sums_of(arrays: Mapping[str, Any], layer: str) -> GateSums:
    own = {key: key.removeprefix(f"{layer}/") for key in arrays if key.startswith(f"{layer}/")}
    return GateSums.of({name: torch.from_numpy(arrays[key]) for key, name in own.items()})
