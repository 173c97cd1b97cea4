"""The part that hangs on the pass: the largest activities of every unit so far, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autola_analysis.analyses.selectivity.observer import spatial_mean
from autola_analysis.core.distributed import Processes
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch


class TopImageObserver:
    """Keep the images with the largest spatial mean of every unit; of equal ones, those that come first.

    Args:
        layers: Names of the layers, each putting out ``(B, K)`` or ``(B, K, H, W)``.
        count: k, images kept per unit.
    """

    def __init__(self, layers: Sequence[str], count: int) -> None:
        self.layers = tuple(layers)
        self._count = count
        self.best: dict[str, tuple[Tensor, Tensor]] = {}
        """layer -> values ``(k, K)``, largest first, and the images' numbers ``(k, K)``"""

    def reduce(self, layer: str, activation: Tensor) -> Tensor:
        """Return the spatial mean ``(B, K)``."""
        return spatial_mean(activation)

    def update(self, batch: Batch, kept: Mapping[str, Tensor], output: Output) -> None:
        """Compare one batch with the best so far."""
        for layer in self.layers:
            values = kept[layer].cpu()
            images = batch.indices[:, None].expand_as(values)
            if layer in self.best:
                values = torch.cat([self.best[layer][0], values])
                images = torch.cat([self.best[layer][1], images])
            values, order = values.sort(dim=0, descending=True, stable=True)
            self.best[layer] = (values[: self._count].clone(), images.gather(0, order[: self._count]))

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Choose among the best of all processes; done in the first one, the others keep theirs."""
        gathered = [best for _, best in processes.gather_in_order([(processes.rank, self.best)]) if best]
        if gathered:
            self.best = {layer: self._merged([best[layer] for best in gathered]) for layer in self.layers}

    def _merged(self, bests: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return the best of several processes' best in one layer; of equal values, those that come first."""
        images, order = torch.cat([images for _, images in bests]).sort(dim=0)
        values = torch.cat([values for values, _ in bests]).gather(0, order)
        values, order = values.sort(dim=0, descending=True, stable=True)
        return values[: self._count].clone(), images.gather(0, order[: self._count])

    def save(self, folder: Path) -> None:
        """Write the best into a folder."""
        arrays: dict[str, Any] = {}
        for layer, (values, images) in self.best.items():
            arrays |= {f"{layer}/values": values.numpy(), f"{layer}/images": images.numpy()}
        np.savez(folder / "best.npz", **arrays)

    def restore(self, folder: Path) -> None:
        """Take the best that `save` wrote."""
        with np.load(folder / "best.npz") as arrays:
            self.best = {
                layer: (torch.from_numpy(arrays[f"{layer}/values"]), torch.from_numpy(arrays[f"{layer}/images"]))
                for layer in self.layers
            }
