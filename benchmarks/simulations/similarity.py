"""CKA of two networks over images, and beside the CKA of two training runs of one variant, over runs and images.

Networks are linear: features are images times a matrix of the network, so that the CKA over all images is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from autola_analysis.analyses.similarity.baseline import BASELINE, baseline_rows
from autola_analysis.analyses.similarity.cka import cka_by_fold, hsic_by_fold, minibatches
from autola_analysis.analyses.similarity.compared import ComparedLayers, Place, fold_interval
from benchmarks.simulations.simulation import Simulation

NOMINAL = (0.92, 0.98)
AT_LEAST = (0.92, 1.0)
LATENT, FEATURES = 20, 16
RUNS_OF_TRUTH = 4000


@dataclass(frozen=True)
class Population:
    """What networks vary by, and how many there are.

    Attributes:
        variants: How far apart the two variants are, where what they share is 1.
        runs: How far apart the runs of a variant are.
        spread: Of the latter from run to run: some runs resemble no other.
        number_of_runs: Per variant.
        images: Seen by all networks.
        minibatch: Images that are compared at once.
        outlying: Share of images ten times as far from the others.
    """

    variants: float = 0.0
    runs: float = 0.5
    spread: float = 0.3
    number_of_runs: tuple[int, int] = (3, 3)
    images: int = 300
    minibatch: int = 300
    outlying: float = 0.0

    def networks(self, counts: tuple[int, int], generator: np.random.Generator) -> list[list[np.ndarray]]:
        """Draw the matrices of runs of both variants, which are always the same two, ``(LATENT, FEATURES)`` each."""
        fixed = np.random.default_rng(1)
        shared, *own = fixed.normal(size=(3, LATENT, FEATURES))
        return [
            [
                shared
                + self.variants * module
                + self.runs * np.exp(self.spread * generator.normal()) * generator.normal(size=shared.shape)
                for _ in range(count)
            ]
            for module, count in zip(own, counts, strict=True)
        ]

    def images_of(self, generator: np.random.Generator) -> np.ndarray:
        """Draw what is in the images, ``(N, LATENT)``; the first directions vary most."""
        images = generator.normal(size=(self.images, LATENT)) * scales()
        return np.where(generator.random((self.images, 1)) < self.outlying, 10 * images, images)


def scales() -> np.ndarray:
    """Return the standard deviations of what is in images."""
    return 1 / np.sqrt(1 + np.arange(LATENT))


def gram(matrix: np.ndarray) -> np.ndarray:
    """Return the Gram operator of a linear network over all images, scaled to 1, ``(LATENT ** 2,)``."""
    scaled = scales()[:, None] * matrix
    flat: np.ndarray = (scaled @ scaled.T).ravel()
    return flat / np.linalg.norm(flat)


def true_cka(one: np.ndarray, other: np.ndarray) -> float:
    """Return the CKA of two linear networks over all images."""
    return float(gram(one) @ gram(other))


@cache
def true_difference(population: Population) -> float:
    """Return the CKA between variants minus that within, over all runs and images: -1/2 of a squared distance."""
    if population.variants == 0:
        return 0.0
    counts = (RUNS_OF_TRUTH, RUNS_OF_TRUTH)
    means = [
        np.mean([gram(matrix) for matrix in runs], axis=0)
        for runs in population.networks(counts, np.random.default_rng(2))
    ]
    return float(-np.square(means[0] - means[1]).sum() / 2)


def covers(population: Population, generator: np.random.Generator) -> Mapping[str, bool]:
    """Draw a study and say whether the intervals hold the truth, and whether a difference is found."""
    networks = population.networks(population.number_of_runs, generator)
    images = population.images_of(generator)
    places = [
        Place(name, str(run), "layer") for name, runs in zip("ab", networks, strict=True) for run in range(len(runs))
    ]
    features = [images @ matrix for runs in networks for matrix in runs]
    batches = minibatches(population.images, population.minibatch, seed=0)
    values = cka_by_fold(hsic_by_fold(features, batches))
    (row,) = BASELINE.frame(list(baseline_rows(ComparedLayers(places, values)))).to_dict("records")
    low, high = fold_interval(values[:, 0, -1])
    return {
        "two networks": low <= true_cka(networks[0][0], networks[1][-1]) <= high,
        "difference": row["ci_low"] <= true_difference(population) <= row["ci_high"],
        "below the baseline": row["ci_high"] < 0,
    }


TARGETS = {"two networks": NOMINAL, "difference": AT_LEAST}
NO_DIFFERENCE = TARGETS | {"below the baseline": (0.0, 0.04)}
POPULATIONS = {
    "no difference": Population(),
    "no difference, runs alike": Population(runs=0.1, spread=0),
    "no difference, five runs": Population(number_of_runs=(5, 5)),
    "no difference, three runs and five": Population(number_of_runs=(3, 5)),
    "no difference, minibatches": Population(images=600, minibatch=100),
    "small difference": Population(variants=0.3),
    "large difference": Population(variants=1.0),
    "large difference, runs alike": Population(variants=1.0, runs=0.1),
    "large difference, five runs": Population(variants=1.0, number_of_runs=(5, 5)),
}
OUTLYING = {"one image in fifty far from the others": Population(outlying=0.02)}
SIMULATIONS = [
    Simulation(name, NO_DIFFERENCE if population.variants == 0 else TARGETS, partial(covers, population))
    for name, population in POPULATIONS.items()
] + [Simulation(name, {"difference": AT_LEAST}, partial(covers, population)) for name, population in OUTLYING.items()]
