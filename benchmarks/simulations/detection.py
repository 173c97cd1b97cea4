"""Intervals of average precision: images drawn from a set whose average precision is known.

The population is a finite set of images with objects and the detections of two detectors, matched once. A study draws
images from it with replacement, so that its images are independent and the truth is the average precision of the whole
set. Images differ in difficulty, which makes the detections of an image dependent, and classes in frequency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import Detections, Matches, average_precisions, match_class
from autola_analysis.statistics.resampled import RESAMPLES, Resampled, image_weights, resampled_interval
from benchmarks.simulations.simulation import Simulation

FloatArray = NDArray[np.float64]

AP, AP50, DIFFERENCE = "AP", "AP50", "AP difference"
COVERAGE = (0.90, 0.98)
TARGETS = {AP: COVERAGE, AP50: COVERAGE, DIFFERENCE: COVERAGE}
IMAGES = 2_000
"""Of the set that studies are drawn from"""


@dataclass(frozen=True)
class Population:
    """A set of images with two detectors, and how large a study is.

    Attributes:
        classes: Number of classes; the last is the rarest, a fifth as frequent as the first.
        images: That a study draws.
        skill: Of the first detector: how often objects of middling difficulty are found, as a logit.
        better: What the second detector has beyond that.
        draws: How often the images of a study are drawn again for its intervals.
    """

    classes: int
    images: int
    skill: float = 1.0
    better: float = 0.5
    draws: int = RESAMPLES


def scene(generator: np.random.Generator, classes: int) -> Objects:
    """Return the objects of an image."""
    count = int(generator.integers(1, 6))
    frequency = np.linspace(1, 0.2, classes)
    corners, sides = generator.uniform(0, 100, (count, 2)), generator.uniform(12, 60, (count, 2))
    labels = generator.choice(classes, count, p=frequency / frequency.sum())
    nothing = np.zeros(count)
    return Objects(
        np.hstack([corners, corners + sides]), labels, sides.prod(1), nothing.astype(bool), nothing.astype(int)
    )


def detected(generator: np.random.Generator, objects: Objects, classes: int, skill: float, ease: float) -> Detections:
    """Return what a detector finds: some of the objects, placed more or less well, and things that are none."""
    found = generator.random(len(objects)) < 1 / (1 + np.exp(-skill - ease))
    boxes, labels = objects.boxes[found], objects.labels[found]
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = boxes + generator.normal(scale=0.09 / (1 + np.exp(skill + ease)) + 0.02, size=boxes.shape) * sides
    false = int(generator.poisson(1.5))
    corners, others = generator.uniform(0, 100, (false, 2)), generator.uniform(12, 60, (false, 2))
    scores = 1 / (1 + np.exp(-generator.normal(skill + ease, 1.2, len(boxes))))
    alarms = 1 / (1 + np.exp(-generator.normal(-0.8, 1.2, false)))
    return Detections(
        np.vstack([boxes, np.hstack([corners, corners + others])]),
        np.concatenate([labels, generator.integers(0, classes, false)]),
        np.concatenate([scores, alarms]),
    )


@cache
def matched(population: Population) -> tuple[Sequence[Matches], Sequence[Matches]]:
    """Return the matches of both detectors over all images, by class."""
    generator = np.random.default_rng(2**31)
    ease = generator.normal(scale=1.0, size=IMAGES)
    objects = [scene(generator, population.classes) for _ in range(IMAGES)]
    of_both = []
    for skill in (population.skill, population.skill + population.better):
        found = [
            detected(generator, each, population.classes, skill, shift)
            for each, shift in zip(objects, ease, strict=True)
        ]
        of_both.append([match_class(found, objects, label) for label in range(population.classes)])
    return of_both[0], of_both[1]


def precisions(matches: Sequence[Matches], weights: FloatArray) -> FloatArray:
    """Return AP and AP50 of images with these weights, the means over the classes that have objects."""
    by_class = [average_precisions(each, weights) for each in matches]
    thresholds = np.nanmean(by_class, axis=0)
    return np.array([thresholds.mean(), thresholds[0]])


@cache
def truth(population: Population) -> FloatArray:
    """Return AP and AP50 of both detectors over all images, ``(2, 2)``."""
    return np.array([precisions(each, np.ones(IMAGES)) for each in matched(population)])


def of_images(matches: Matches, images: NDArray[np.int64]) -> Matches:
    """Return the matches of some different images, which are numbered anew."""
    numbers = np.full(len(matches.objects), -1)
    numbers[images] = np.arange(len(images))
    kept = numbers[matches.images] >= 0
    return replace(
        matches,
        images=numbers[matches.images[kept]],
        ranks=matches.ranks[kept],
        right=matches.right[:, kept],
        wrong=matches.wrong[:, kept],
        objects=matches.objects[images],
    )


def covers(population: Population, generator: np.random.Generator) -> Mapping[str, bool]:
    """Draw a study and say which intervals hold the truth."""
    drawn, places = np.unique(generator.integers(IMAGES, size=population.images), return_inverse=True)
    again = image_weights(population.images, int(generator.integers(2**31)), population.draws)
    weights = np.stack([np.bincount(places, each, len(drawn)) for each in (np.ones(population.images), *again)])
    terms = []
    for matches in matched(population):
        own = [of_images(each, drawn) for each in matches]
        values = np.array([precisions(own, each) for each in weights])
        terms.append([Resampled(values[:1, metric], values[None, 1:, metric], population.images) for metric in (0, 1)])
    true, (one, other) = truth(population), terms
    return {
        AP: _holds([one[0]], true[0, 0]),
        AP50: _holds([one[1]], true[0, 1]),
        DIFFERENCE: _holds([other[0], one[0].negative()], true[1, 0] - true[0, 0]),
    }


def _holds(terms: Sequence[Resampled], true: float) -> bool:
    low, high = resampled_interval(terms)
    return bool(low <= true <= high)


POPULATIONS = {
    "three classes, 50 images": Population(3, 50),
    "three classes, 200 images": Population(3, 200),
    "ten classes, 200 images": Population(10, 200),
    "three classes, a strong detector, 200 images": Population(3, 200, skill=2.5),
    "three classes, a weak detector, 200 images": Population(3, 200, skill=-0.5),
}
SIMULATIONS = [Simulation(name, TARGETS, partial(covers, each)) for name, each in POPULATIONS.items()]
