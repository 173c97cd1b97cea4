"""Differences of two variants' means over training runs and images; outlying runs have no target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from autola_analysis.statistics.intervals import sum_interval
from benchmarks.simulations.simulation import Simulation

NOMINAL = (0.92, 0.98)
NO_BOUND = (0.0, 1.0)


@dataclass(frozen=True)
class Population:
    """What networks and images vary by.

    Attributes:
        runs: Standard deviation of training runs, per variant.
        interaction: Of images within a variant, beyond what all networks share.
        noise: Of a run for an image.
        images: Of images, shared by all networks.
        number_of_runs: Per variant.
        number_of_images: Seen by all networks.
        binary: Whether an image is right or wrong.
        outliers: Share of runs that lie ten standard deviations of runs away.
    """

    runs: tuple[float, float]
    interaction: float = 0.3
    noise: float = 1.0
    images: float = 1.0
    number_of_runs: tuple[int, int] = (3, 3)
    number_of_images: int = 100
    binary: bool = False
    outliers: float = 0.0

    def study(self, generator: np.random.Generator) -> list[np.ndarray]:
        """Draw the values of two variants of the same mean, ``(runs, images)`` each."""
        shared = self.images * generator.normal(size=self.number_of_images)
        values = []
        for number, spread in zip(self.number_of_runs, self.runs, strict=True):
            shape = (number, self.number_of_images)
            own = self.interaction * generator.normal(size=self.number_of_images)
            run = generator.normal(size=(number, 1)) + 10 * (generator.random((number, 1)) < self.outliers)
            y = shared + own + spread * run + self.noise * generator.normal(size=shape)
            values.append((y > -0.5).astype(float) if self.binary else y)
        return values


def covers(population: Population, generator: np.random.Generator) -> Mapping[str, bool]:
    """Draw a study and say whether the interval of the difference holds the truth."""
    candidate, other = population.study(generator)
    low, high = sum_interval([candidate, -other])
    return {"difference": low <= 0 <= high}


POPULATIONS = {
    "runs differ most": Population((0.5, 0.5)),
    "runs and images alike": Population((0.1, 0.1), interaction=1),
    "runs and noise alike": Population((0.1, 0.1)),
    "runs hardly differ": Population((0.05, 0.05)),
    "runs do not differ": Population((0, 0)),
    "runs do not differ, images do": Population((0, 0), interaction=1, noise=0.1),
    "nothing but noise": Population((0, 0), interaction=0),
    "one variant's runs differ": Population((0.3, 0), interaction=0.5),
    "three runs and five": Population((0.1, 0.1), number_of_runs=(3, 5)),
    "three runs and five, one varies": Population((0.3, 0), interaction=0.5, number_of_runs=(3, 5)),
    "three runs and ten": Population((0.05, 0.05), number_of_runs=(3, 10)),
    "five runs": Population((0.1, 0.1), number_of_runs=(5, 5)),
    "ten folds": Population((0.1, 0.1), interaction=1, number_of_images=10),
    "right or wrong": Population((0.3, 0.3), binary=True),
    "right or wrong, runs do not differ": Population((0, 0), noise=0.5, binary=True),
    "right or wrong, three runs and five": Population((0.05, 0.05), number_of_runs=(3, 5), binary=True),
}
OUTLIERS = {
    "three runs, one in ten an outlier": Population((0.1, 0.1), outliers=0.1),
    "ten runs, one in ten an outlier": Population((0.1, 0.1), outliers=0.1, number_of_runs=(10, 10)),
}
SIMULATIONS = [
    Simulation(name, {"difference": target}, partial(covers, population))
    for populations, target in ((POPULATIONS, NOMINAL), (OUTLIERS, NO_BOUND))
    for name, population in populations.items()
]
