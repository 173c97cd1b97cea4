"""Differences of two variants' mean precision at mask area, over images and over training runs.

A map is a smooth random field on 16 x 16 pixels plus a bump on the object, a square of 2 to 8 pixels anywhere. A
network's strength is the height of its bump; the fields of the networks share a part for each image, and of the runs of
a variant another. Every field has unit variance, so that the mean precision is a function of the strength alone, which
is tabulated from 20,000 maps at each of 25 strengths: its error is a fiftieth of an interval's half width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats

from autola_analysis.analyses.saliency.localisation import precision_at_mask_area
from autola_analysis.statistics.difference import difference
from benchmarks.simulations.simulation import Simulation

FloatArray = NDArray[np.float64]
NOMINAL = (0.92, 0.98)
SIDE = 16
SMOOTH = 1.5  # pixels
STRENGTHS = np.linspace(-0.5, 3.5, 25)
TABULATED = 20_000


@dataclass(frozen=True)
class Population:
    """What networks and images vary by.

    Attributes:
        strengths: Mean strength of either variant's networks.
        spread: Standard deviation of strengths over training runs.
        runs: Per variant; the two networks themselves are compared below three.
        images: Seen by all networks.
        shared: Share of a field's variance that all networks share for an image.
        own: Share that the runs of a variant share for an image.
        zero: Share of maps that are zero.
    """

    strengths: tuple[float, float]
    spread: float = 0.3
    runs: int = 3
    images: int = 100
    shared: float = 0.4
    own: float = 0.2
    zero: float = 0.0

    def covered(self, generator: np.random.Generator) -> bool:
        """Draw a study and say whether the interval of the difference holds the truth."""
        strengths = [mean + self.spread * generator.normal(size=self.runs) for mean in self.strengths]
        masks = objects(generator, self.images)
        common = fields(generator, self.images)
        values = [self._precisions(generator, masks, common, each) for each in strengths]
        measured = difference(*values)
        truths = [self._truth(mean, each) for mean, each in zip(self.strengths, strengths, strict=True)]
        return bool(measured.ci_low <= truths[0] - truths[1] <= measured.ci_high)

    def _precisions(
        self, generator: np.random.Generator, masks: NDArray[np.bool_], common: FloatArray, strengths: FloatArray
    ) -> FloatArray:
        own, rest = fields(generator, self.images), 1 - self.shared - self.own
        values = []
        for strength in strengths:
            field = np.sqrt(self.shared) * common + np.sqrt(self.own) * own
            field += np.sqrt(rest) * fields(generator, self.images)
            seen = generator.random(self.images) >= self.zero
            values.append(precisions(strength * bumps(masks) + field, masks) * seen)
        return np.stack(values)

    def _truth(self, mean: float, strengths: FloatArray) -> float:
        """Return the mean precision over all images: of these networks, or of all runs from three on."""
        if self.runs >= 3:
            strengths = mean + self.spread * stats.norm.ppf((np.arange(200) + 0.5) / 200)
        return float((1 - self.zero) * np.interp(strengths, STRENGTHS, tabulated()).mean())


def fields(generator: np.random.Generator, number: int) -> FloatArray:
    """Return smooth random fields of unit variance, ``(number, SIDE, SIDE)``, periodic."""
    smooth = ndimage.gaussian_filter(generator.normal(size=(number, SIDE, SIDE)), (0, SMOOTH, SMOOTH), mode="wrap")
    impulse = np.zeros((SIDE, SIDE))
    impulse[0, 0] = 1
    kernel = ndimage.gaussian_filter(impulse, SMOOTH, mode="wrap")
    scaled: FloatArray = smooth / np.sqrt((kernel**2).sum())
    return scaled


def objects(generator: np.random.Generator, number: int) -> NDArray[np.bool_]:
    """Return masks of squares, ``(number, SIDE, SIDE)``."""
    sides = generator.integers(2, 9, number)
    corners = generator.integers(0, SIDE - sides[:, None] + 1, (number, 2))
    at = np.arange(SIDE)
    rows, columns = ((at >= corners[:, [axis]]) & (at < corners[:, [axis]] + sides[:, None]) for axis in (0, 1))
    return rows[:, :, None] & columns[:, None, :]


def bumps(masks: NDArray[np.bool_]) -> FloatArray:
    """Return smoothed masks."""
    smoothed: FloatArray = ndimage.gaussian_filter(masks.astype(float), (0, SMOOTH, SMOOTH))
    return smoothed


def precisions(maps: FloatArray, masks: NDArray[np.bool_]) -> FloatArray:
    """Return the precision of maps that may be negative anywhere."""
    return precision_at_mask_area(torch.from_numpy(maps - maps.min() + 1), masks)


@cache
def tabulated() -> FloatArray:
    """Return the mean precision at each of `STRENGTHS`."""
    generator = np.random.default_rng(0)
    masks, field = objects(generator, TABULATED), fields(generator, TABULATED)
    return np.array([precisions(strength * bumps(masks) + field, masks).mean() for strength in STRENGTHS])


def covers(population: Population, generator: np.random.Generator) -> Mapping[str, bool]:
    """Draw a study and say whether the interval of the difference holds the truth."""
    return {"difference": population.covered(generator)}


POPULATIONS = {
    "two checkpoints alike": Population((1, 1), runs=1),
    "two checkpoints apart": Population((1, 2), runs=1),
    "two checkpoints, 300 images": Population((1, 1.5), runs=1, images=300),
    "two checkpoints, 30 images": Population((1, 1), runs=1, images=30),
    "two checkpoints that share little": Population((1, 1), runs=1, shared=0.1, own=0),
    "two checkpoints near the top": Population((2.8, 3), runs=1, spread=0.1),
    "two checkpoints, a tenth of the maps zero": Population((1, 1.5), runs=1, zero=0.1),
    "three runs alike": Population((1, 1)),
    "three runs apart": Population((1, 2)),
    "three runs, 300 images": Population((1, 1.5), images=300),
    "three runs that differ little": Population((1, 1), spread=0.05),
    "three runs that differ most": Population((1.5, 1.5), spread=0.6),
    "three runs of variants unlike by image": Population((1, 1), spread=0.1, shared=0.1, own=0.6),
    "three runs, a tenth of the maps zero": Population((1, 1.5), zero=0.1),
    "five runs": Population((1, 1), runs=5),
}
SIMULATIONS = [
    Simulation(name, {"difference": NOMINAL}, partial(covers, population)) for name, population in POPULATIONS.items()
]
