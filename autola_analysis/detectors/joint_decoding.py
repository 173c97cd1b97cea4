"""From heat maps to joints: the cell of the maximum, refined below a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from autola_analysis.core.joint_reading import LARGE_FILTER, LARGE_MAP, SMALL_FILTER

FLOOR = 1e-10
"""Least value of a map before its logarithm"""


@dataclass(frozen=True)
class JointDecoding:
    """How joints are read from heat maps.

    The filter has to be narrow beside the distance of joints that are mistaken for each other. One as wide as on large
    maps merges the peaks of a left and a right joint on a small one, and draws the joint between them. Where the wrong
    peak is the higher one this lowers the error in pixels, and where the right one is it spoils the joint: of 1,052
    digit-puppets a filter of 11 cells lowers the mean error by 0.3 pixels against the quarter of a cell, and average
    precision by half a point; one of 3 cells improves both.

    Attributes:
        second_order: Go to the maximum of the second-order approximation of the logarithm; otherwise a quarter of a
            cell towards the larger neighbour.
        smooth: Filter the map by a Gaussian first.
        whole_shift: Shift maps of the mirrored image by one cell; otherwise by what mirroring moves them.

    References:
        Xiao, Wu and Wei, "Simple Baselines", ECCV 2018 (the quarter); Zhang et al., "Distribution-Aware Coordinate
        Representation for Human Pose Estimation" (DARK), CVPR 2020 (second order, filter); Huang et al., "The Devil is
        in the Details: Delving into Unbiased Data Processing" (UDP), CVPR 2020 (the bias of mirroring).
    """

    second_order: bool
    smooth: bool
    whole_shift: bool

    def joints(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return joints in cells ``(B, J, 2)``, x and y, and their scores ``(B, J)``, the maxima of the maps.

        A joint whose map has no positive value is at (0, 0).

        Args:
            maps: ``(B, J, H, W)``; the centre of the first cell is 0.
        """
        width = maps.shape[-1]
        scores, cells = maps.flatten(2).max(2)
        x, y = cells % width, cells // width
        refine = _second_order if self.second_order else _quarter
        joints = torch.stack([x, y], -1) + refine(_smoothed(maps) if self.smooth else maps, x, y)
        return joints * (scores > 0)[..., None], scores

    def averaged(self, maps: Tensor, mirrored: Tensor, pairs: Sequence[tuple[int, int]], ratio: float = 4) -> Tensor:
        """Return the mean of the maps of images and of their mirror images, ``(B, J, H, W)``.

        Args:
            maps: Of the images, ``(B, J, H, W)``.
            mirrored: Of the mirrored images, as the network puts them out.
            pairs: Left and right joints, which mirroring exchanges.
            ratio: Pixels of a cell. Mirrored back, a peak lies ``(ratio - 1) / ratio`` cells too far to the left.
        """
        order = list(range(maps.shape[1]))
        for left, right in pairs:
            order[left], order[right] = order[right], order[left]
        back = mirrored[:, order].flip(-1)
        shift = 1.0 if self.whole_shift else (ratio - 1) / ratio
        moved = torch.cat([back[..., :1], back[..., :-1]], -1)
        return (maps + (1 - shift) * back + shift * moved) / 2


JOINT_DECODINGS = {
    "quarter": JointDecoding(second_order=False, smooth=False, whole_shift=True),
    "dark": JointDecoding(second_order=True, smooth=True, whole_shift=True),
    "subpixel": JointDecoding(second_order=True, smooth=True, whole_shift=False),
}
"""Ways to read joints by name: SimpleBaseline's, DARK's, and DARK's with the exact shift (the supplement's)"""


def _smoothed(maps: Tensor) -> Tensor:
    """Return maps filtered by a Gaussian that suits their size, zero outside.

    The standard deviation is the one that OpenCV, which DARK calls, gives a filter of that side. DARK gives maps their
    old maxima back, which adds a constant to their logarithm and so changes no step.
    """
    side = LARGE_FILTER if max(maps.shape[-2:]) >= LARGE_MAP else SMALL_FILTER
    sigma = 0.3 * (side // 2 - 1) + 0.8
    distance = torch.arange(side, device=maps.device).to(maps) - side // 2
    kernel = (-(distance**2) / (2 * sigma**2)).exp()
    kernel = kernel / kernel.sum()
    flat = maps.flatten(0, 1)[:, None]
    flat = F.conv2d(flat, kernel[None, None, None], padding=(0, side // 2))
    return F.conv2d(flat, kernel[None, None, :, None], padding=(side // 2, 0)).view_as(maps)


def _quarter(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return a quarter of a cell towards the larger neighbours ``(B, J, 2)``, 0 for maxima at the border."""
    right, left, below, above = (_at(maps, x + dx, y + dy) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)))
    offset = 0.25 * torch.stack([right - left, below - above], -1).sign()
    return offset * _inside(maps, x, y, margin=1)


def _second_order(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the step to the maximum of a parabola through the logarithm ``(B, J, 2)``, 0 at the border.

    Differences span two cells on each side, as DARK's do; where the curvature vanishes there is no step.
    """
    logarithm = maps.clamp(min=FLOOR).log()

    def at(dx: int, dy: int) -> Tensor:
        return _at(logarithm, x + dx, y + dy)

    gradient_x, gradient_y = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    curve_xx = (at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4
    curve_yy = (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4
    curve_xy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    determinant = curve_xx * curve_yy - curve_xy**2
    step_x = curve_xy * gradient_y - curve_yy * gradient_x
    step_y = curve_xy * gradient_x - curve_xx * gradient_y
    step = torch.stack([step_x, step_y], -1) / torch.where(determinant == 0, torch.inf, determinant)[..., None]
    return step * _inside(maps, x, y, margin=2)


def _at(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the value of every map at its own cell ``(B, J)``; cells outside are moved to the border."""
    height, width = maps.shape[-2:]
    cells = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(2).gather(2, cells[..., None])[..., 0]


def _inside(maps: Tensor, x: Tensor, y: Tensor, margin: int) -> Tensor:
    """Return whether cells lie at least two from the first and more than `margin` from the last ``(B, J, 1)``."""
    height, width = maps.shape[-2:]
    return ((x > 1) & (x < width - margin) & (y > 1) & (y < height - margin))[..., None]
