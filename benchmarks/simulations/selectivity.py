"""The corrected mean class selectivity of a layer, and the difference of two layers on the same images.

Beside it, without a target, the plain mean with the interval of its jackknife. The truth is the index of the true class
means. Populations resemble layers of the demo networks as measured on 4,000 test images (coefficients of variation
between and within classes, eigenvalues of the correlation between units within classes), and ImageNet's validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from autola_analysis.analyses.selectivity.jackknife import corrected_blocks, pseudo_values
from autola_analysis.analyses.selectivity.observer import ClassSums
from autola_analysis.analyses.selectivity.summary import summarise
from autola_analysis.analyses.selectivity_index import mean_selectivity
from autola_analysis.statistics.intervals import sum_interval
from benchmarks.simulations.simulation import Simulation

FOLDS = 10
SPREAD_OF_UNITS = 0.4
"""Standard deviation of the logarithms of the units' coefficients of variation."""
COVERAGE = (0.90, 0.98)
NO_BOUND = (0.0, 1.0)


@dataclass(frozen=True)
class Layer:
    """What the activity of units varies by; standard deviations are in units of a unit's mean activity.

    Attributes:
        classes: Number of classes.
        images: Per class.
        units: Number of units.
        between: Standard deviation between the true class means, which are gamma distributed.
        within: Standard deviation between the images of a class, as a multiple of the class mean.
        decay: Ratio of successive eigenvalues of the correlation of units within classes.
        noisier: `within` of the second variant over that of the first.
        shared: Share of the noise's variance that both variants have in common, through their images.
    """

    classes: int
    images: int
    units: int
    between: float
    within: float
    decay: float
    noisier: float = 1.4
    shared: float = 0.5

    def true_means(self, generator: np.random.Generator) -> np.ndarray:
        """Draw class means ``(C, K)``."""
        shape = self._of_units(self.between, generator) ** -2
        return generator.gamma(shape, 1 / shape, size=(self.classes, self.units)) + 1e-3

    def sums(self, means: np.ndarray, within: float, images: np.ndarray, generator: np.random.Generator) -> ClassSums:
        """Draw the sums of a pass: a fold's class mean is the true one times a lognormal factor of mean 1.

        Args:
            means: True class means.
            within: Standard deviation within classes.
            images: What the images of each fold and class have, for all variants, ``(F, C, K)``.
            generator: Of the draws.
        """
        own = generator.normal(size=images.shape)
        noise = (np.sqrt(self.shared) * images + np.sqrt(1 - self.shared) * own) @ self._loadings(generator).T
        count = self.images // FOLDS
        spread = np.sqrt(np.log1p(self._of_units(within, generator) ** 2 / count))
        sums = count * means * np.exp(spread * noise - spread**2 / 2)
        return ClassSums(sums, np.full((FOLDS, self.classes), count), np.empty((0, self.classes, self.units)))

    def _of_units(self, typical: float, generator: np.random.Generator) -> np.ndarray:
        return typical * np.exp(SPREAD_OF_UNITS * generator.normal(size=self.units))

    def _loadings(self, generator: np.random.Generator) -> np.ndarray:
        axes = np.linalg.qr(generator.normal(size=(self.units, self.units)))[0]
        loadings = axes * np.sqrt(self.decay ** np.arange(self.units))
        return loadings / np.linalg.norm(loadings, axis=1, keepdims=True)


def covers(layer: Layer, generator: np.random.Generator) -> Mapping[str, bool]:
    """Draw two variants on the same images and say which intervals hold the truth."""
    images = generator.normal(size=(FOLDS, layer.classes, layer.units))
    truths, corrected, plain = [], [], []
    for within in (layer.within, layer.noisier * layer.within):
        means = layer.true_means(generator)
        found = summarise(layer.sums(means, within, images, generator))
        pseudo = pseudo_values(found.mean, found.fold_means)
        truths.append(mean_selectivity(means))
        corrected.append(corrected_blocks(found.mean, found.fold_means, found.half_means)[None])
        plain.append((found.mean + pseudo - found.mean_corrected)[None])
    outcomes = {}
    for name, (one, other) in (("corrected", corrected), ("plain", plain)):
        for what, truth, terms in (("mean", truths[0], [one]), ("difference", truths[1] - truths[0], [other, -one])):
            low, high = sum_interval(terms, folds=True)
            outcomes[f"{name} {what}"] = low <= truth <= high
    return outcomes


POPULATIONS = {
    "like layer1, 10 classes x 200": Layer(10, 200, 16, between=0.017, within=0.2, decay=0.6),
    "like layer3, 10 classes x 200": Layer(10, 200, 64, between=0.88, within=0.55, decay=0.85),
    "1,000 classes x 50": Layer(1000, 50, 32, between=0.6, within=0.8, decay=0.9),
}
SIMULATIONS = [
    Simulation(
        name,
        {
            "corrected mean": COVERAGE,
            "corrected difference": COVERAGE,
            "plain mean": NO_BOUND,
            "plain difference": NO_BOUND,
        },
        partial(covers, layer),
    )
    for name, layer in POPULATIONS.items()
]
