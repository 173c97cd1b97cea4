"""What a simulation is, and how often what it looks for happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats

Replicate = Callable[[np.random.Generator], Mapping[str, bool]]
CHUNK = 20
"""Replicates that a process takes at a time."""


@dataclass(frozen=True)
class Simulation:
    """A population that studies are drawn from.

    Attributes:
        name: Of the population.
        targets: Limits that the share of replicates is to lie in, by outcome.
        replicate: Draws one study and says which outcomes it had.
    """

    name: str
    targets: Mapping[str, tuple[float, float]]
    replicate: Replicate


@dataclass(frozen=True)
class Rate:
    """How often an outcome happened.

    Attributes:
        happened: In so many replicates.
        replicates: Of so many.
    """

    happened: int
    replicates: int

    @property
    def share(self) -> float:
        """The share of replicates."""
        return self.happened / self.replicates

    def interval(self) -> tuple[float, float]:
        """Return the exact binomial 95% interval of the share (Clopper and Pearson 1934)."""
        low, high = stats.binomtest(self.happened, self.replicates).proportion_ci(0.95)
        return float(low), float(high)

    def allows(self, least: float, most: float) -> bool:
        """Say whether so few replicates allow that the true share lies between two limits."""
        low, high = self.interval()
        return low <= most and least <= high


def rates(simulation: Simulation, replicates: int, seed: int = 0, processes: int = 1) -> dict[str, Rate]:
    """Return how often every outcome of a simulation happened.

    Args:
        simulation: The population.
        replicates: Studies to draw; a study depends on the seed and its number alone.
        seed: Of the draws.
        processes: That share the work.
    """
    numbers = range(replicates)
    run = partial(_outcomes, simulation.replicate, seed)
    if processes == 1:
        outcomes: Sequence[Mapping[str, bool]] = [run(number) for number in numbers]
    else:
        with ProcessPoolExecutor(processes) as pool:
            outcomes = list(pool.map(run, numbers, chunksize=CHUNK))
    return {name: Rate(sum(bool(each[name]) for each in outcomes), replicates) for name in simulation.targets}


def _outcomes(replicate: Replicate, seed: int, number: int) -> Mapping[str, bool]:
    return replicate(np.random.default_rng([seed, number]))
