"""Where the cells of a layer's map lie in the image, and maps brought to the size of the image accordingly.

Positions are in pixels of the image; pixel i covers [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autola_analysis.analyses.saliency.cam import upsample


@dataclass(frozen=True)
class CellAxis:
    """How cells lie along one side of the image.

    Attributes:
        cells: Number of cells.
        pixels: Length of the side.
        stride: Distance of neighbouring cells.
        first: Centre of the first cell.
    """

    cells: int
    pixels: int
    stride: float
    first: float

    @classmethod
    def stretched(cls, cells: int, pixels: int, filled: float = 1.0) -> CellAxis:
        """Return cells that divide the side among them; what it does not fill, beside its end, takes the others."""
        stride = pixels / filled / cells
        return cls(cells, pixels, stride, stride / 2)

    @property
    def shift(self) -> float:
        """Mean distance of the cells from where stretching puts them; negative towards the first pixel."""
        return self.first + self.stride * (self.cells - 1) / 2 - self.pixels / 2

    def interpolation(self) -> Tensor:
        """Return the weight of each cell in each pixel, ``(pixels, cells)``: linear, constant beyond the last cells."""
        places = ((torch.arange(self.pixels) + 0.5 - self.first) / self.stride).clamp(0, self.cells - 1)
        return (1 - (places[:, None] - torch.arange(self.cells)).abs()).clamp(min=0)

    def averaging(self) -> Tensor:
        """Return the weight of each pixel in each cell, ``(cells, pixels)``: alike over a stride around its centre."""
        low = self.first + self.stride * (torch.arange(self.cells, dtype=torch.float64)[:, None] - 0.5)
        left = torch.arange(self.pixels, dtype=torch.float64)
        inside = (torch.minimum(low + self.stride, left + 1) - torch.maximum(low, left)).clamp(min=0)
        total = inside.sum(1, keepdim=True)
        return torch.where(total > 0, inside / total, 0)  # a cell may lie outside the image


@dataclass(frozen=True)
class CellGrid:
    """How the cells of a map ``(h, w)`` lie in an image ``(H, W)``.

    Attributes:
        rows: From top to bottom.
        columns: From left to right.
    """

    rows: CellAxis
    columns: CellAxis

    @classmethod
    def stretched(
        cls, cells: tuple[int, int], size: tuple[int, int], filled: tuple[float, float] = (1.0, 1.0)
    ) -> CellGrid:
        """Return the grid of the literature: the map is stretched over the image, cell i of stride s at s i + s/2.

        Args:
            cells: Of the map, down and across.
            size: Of the image, height and width.
            filled: Shares of the map's height and width that the image fills, from the upper left; padding takes the
                rest.
        """
        rows, columns = (CellAxis.stretched(*axis) for axis in zip(cells, size, filled, strict=True))
        return cls(rows, columns)

    @classmethod
    def of(cls, rows: Mapping[str, Any], columns: Mapping[str, Any]) -> CellGrid:
        """Return the grid whose axes have these fields."""
        return cls(CellAxis(**rows), CellAxis(**columns))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.rows.pixels, self.columns.pixels

    def place(self, maps: Tensor) -> Tensor:
        """Return maps ``(B, h, w)`` at the size of the image, ``(B, H, W)``: bilinear between the cells' centres."""
        if self == self.stretched((self.rows.cells, self.columns.cells), self.size):
            return upsample(maps, self.size)
        rows, columns = (axis.interpolation().to(maps) for axis in (self.rows, self.columns))
        return rows @ maps @ columns.T

    def average(self, masks: Tensor) -> Tensor:
        """Return the share of each cell's square that masks ``(B, H, W)`` cover, ``(B, h, w)``, in float64."""
        return self.rows.averaging() @ masks.double() @ self.columns.averaging().T

    def described(self) -> dict[str, Any]:
        """Return the positions in pixels, rows before columns, JSON-ready."""
        axes = (self.rows, self.columns)
        return {name: [round(getattr(axis, name), 4) for axis in axes] for name in ("stride", "first", "shift")}
