"""Intervals of what features are rated by: subsets of images whose whole set is known.

The population is a finite set of N images, and a study a random subset of n of them, so that intervals are narrowed
about their centre by ``sqrt(1 - n / N)`` (the correction for a finite population). The true silhouette is that of all
N images. The accuracy of nearest neighbours rises with the number of images, so that its truth is the mean over other
subsets of n, and says nothing about N.

With few images of a class the nearest other class is one that happens to look nearest, so that the mean silhouette of a
study lies below that of all images (by one standard deviation of studies where ten classes overlap). Where coverage of
the silhouette misses its target, this is why; the difference of two networks has it in both.

The real features are those of the CIFAR-10 test images in the last stage of the ResNet-20 and the ResNet-32 whose
checkpoints lie in the folder ``AUTOLA_TEST_CHECKPOINTS``, with the images in ``AUTOLA_TEST_DATA``; they are extracted
once and kept in the folder for temporary files. Without these variables only the made-up features are simulated.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.quality import K
from autola_analysis.analyses.embedding.silhouette import silhouettes
from autola_analysis.analyses.embedding.votes import candidates, decided, knn_accuracies
from autola_analysis.checkpoints import load_model
from autola_analysis.core.files import replacing, sha256_of
from autola_analysis.data import open_source
from autola_analysis.statistics.difference import difference
from autola_analysis.statistics.intervals import bootstrap_interval
from benchmarks.simulations.simulation import Simulation

FloatArray = NDArray[np.float64]
PerImage = Mapping[str, tuple[FloatArray, FloatArray]]

IMAGES = 500
REFERENCES = 400
"""Subsets whose mean is the truth of statistics that depend on the number of images."""
SILHOUETTE = "silhouette"
NEIGHBOURS = "kNN accuracy"
AS_GIVEN = "kNN accuracy, neighbours as given"
TARGETS = {
    SILHOUETTE: (0.92, 0.99),
    f"{SILHOUETTE} difference": (0.92, 0.99),
    NEIGHBOURS: (0.92, 1.0),
    f"{NEIGHBOURS} difference": (0.92, 1.0),
    AS_GIVEN: (0.0, 1.0),
    f"{AS_GIVEN} difference": (0.0, 1.0),
}
BIASED = TARGETS | {SILHOUETTE: (0.0, 1.0), f"{SILHOUETTE} difference": (0.0, 1.0)}
"""With few images of a class the nearest other class is the one that happens to look nearest: no bound."""
VARIABLES = ("AUTOLA_TEST_DATA", "AUTOLA_TEST_CHECKPOINTS")
ARCHIVE = "cifar10-jpeg.zip"
CHECKPOINTS = ("resnet20-12fca82f.th", "resnet32-d509ac18.th")


@dataclass(frozen=True, eq=False)
class Sets:
    """Features of the same images in two networks.

    Attributes:
        one: ``(N, D)``.
        other: ``(N, D)``.
        labels: ``(N,)``.
    """

    one: FloatArray
    other: FloatArray
    labels: NDArray[np.int64]

    def some(self, images: int, generator: np.random.Generator) -> Sets:
        """Return a random subset of the images."""
        rows = generator.choice(len(self.labels), images, replace=False)
        return Sets(self.one[rows], self.other[rows], self.labels[rows])


@dataclass(frozen=True)
class Population:
    """A finite set of images that studies look at a part of.

    Attributes:
        sets: Returns the features of all images.
        images: That a study looks at.
        references: Subsets that the truth is a mean over, where it depends on the number of images.
        targets: Limits that the coverages are to lie in.
    """

    sets: Callable[[], Sets]
    images: int = IMAGES
    references: int = REFERENCES
    targets: Mapping[str, tuple[float, float]] = field(default_factory=lambda: TARGETS, hash=False)


def rated(sets: Sets, seed: int = 0) -> PerImage:
    """Return what intervals are made of, per image, of both networks, by statistic."""
    both = (sets.one, sets.other)
    near = [nearest_neighbours(each, candidates(K), device="cpu").indices for each in both]
    votes = [knn_accuracies(each, sets.labels, [K], seed)[K] for each in near]
    values = {
        SILHOUETTE: [silhouettes(each, sets.labels, device="cpu").influence for each in both],
        NEIGHBOURS: [each.influence for each in votes],
        AS_GIVEN: [each.correct.astype(float) for each in votes],
    }
    return {name: (one, other) for name, (one, other) in values.items()}


@cache
def truth(population: Population) -> Mapping[str, float]:
    """Return the true values: of the first network, and of the second minus the first."""
    sets, generator = population.sets(), np.random.default_rng(2**31)
    drawn = [accuracies(sets.some(population.images, generator)) for _ in range(population.references)]
    neighbours = np.mean(drawn, axis=0)
    silhouette = [silhouettes(each, sets.labels, device="cpu").samples.mean() for each in (sets.one, sets.other)]
    both = {SILHOUETTE: silhouette, NEIGHBOURS: neighbours, AS_GIVEN: neighbours}
    alone = {name: float(pair[0]) for name, pair in both.items()}
    return alone | {f"{name} difference": float(pair[1] - pair[0]) for name, pair in both.items()}


def accuracies(sets: Sets) -> list[float]:
    """Return the accuracy of the nearest neighbours in both networks."""
    near = [nearest_neighbours(each, K, device="cpu").indices for each in (sets.one, sets.other)]
    all_vote = np.ones((len(sets.labels), 1, K), dtype=bool)
    return [float(decided(all_vote, sets.labels[each], sets.labels).mean()) for each in near]


def covers(population: Population, generator: np.random.Generator) -> Mapping[str, bool]:
    """Draw a study and say which intervals hold the truth."""
    sets, true = population.sets(), truth(population)
    narrowed = float(np.sqrt(1 - population.images / len(sets.labels)))
    outcomes = {}
    for name, (one, other) in rated(sets.some(population.images, generator)).items():
        of_both = difference(other[None], one[None])
        for outcome, centre, (low, high) in (
            (name, one.mean(), bootstrap_interval(one)),
            (f"{name} difference", of_both.value, of_both.interval),
        ):
            off = true[outcome] - centre
            outcomes[outcome] = bool(narrowed * (low - centre) <= off <= narrowed * (high - centre))
    return outcomes


@cache
def made_up(images: int, classes: int, apart: float, noise: float, width: int = 16) -> Sets:
    """Return features of normal classes, and the same with noise."""
    generator = np.random.default_rng(0)
    labels = np.arange(images) % classes
    one = apart * generator.normal(size=(classes, width))[labels] + generator.normal(size=(images, width))
    return Sets(one, one + noise * generator.normal(size=(images, width)), labels)


@cache
def cifar() -> Sets:
    """Return the features of the CIFAR-10 test images in the last stage of both networks."""
    data, checkpoints = (Path(os.environ[name]) for name in VARIABLES)
    files = [data / ARCHIVE, *(checkpoints / name for name in CHECKPOINTS)]
    contents = hashlib.sha256(" ".join(map(sha256_of, files)).encode()).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / f"autola-coverage-{contents}.npz"
    if not kept.exists():
        _extract(files, kept)
    with np.load(kept) as arrays:
        return Sets(arrays["one"], arrays["other"], arrays["labels"])


def _extract(files: list[Path], kept: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(files[0]) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith("test/")])
        networks = [load_model(path, normalize="imagenet", device="cpu") for path in files[1:]]
        one, other = extract_features(networks, open_source(f"folder:{folder}/test"), limit="all")
    with replacing(kept) as path, path.open("wb") as file:
        np.savez(file, one=one.values, other=other.values, labels=one.labels)


MADE_UP = {
    "ten classes that overlap": Population(partial(made_up, 10_000, 10, 0.6, 0.5)),
    "a hundred classes, five images of each": Population(partial(made_up, 10_000, 100, 0.8, 0.5), targets=BIASED),
}
REAL = {"ResNet-20 and ResNet-32 on CIFAR-10": Population(cifar)}


def populations() -> Mapping[str, Population]:
    """Return the populations that can be simulated here."""
    return MADE_UP | (REAL if all(name in os.environ for name in VARIABLES) else {})


SIMULATIONS = [
    Simulation(name, population.targets, partial(covers, population)) for name, population in populations().items()
]
