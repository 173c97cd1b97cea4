"""A small run of the simulated evaluations of detectors, with a fixed seed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from autola_analysis.inference.tasks.average_precision import match_class
from benchmarks.simulations import detection
from benchmarks.simulations.detection import Population, covers, detected, matched, of_images, precisions, scene, truth
from benchmarks.simulations.simulation import Simulation, rates

SMALL = Population(2, 40, draws=30)


def test_intervals_hold_the_truth_as_often_as_the_table_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "IMAGES", 300)
    found = rates(Simulation("small", detection.TARGETS, partial(covers, replace(SMALL, skill=1.01))), 20)
    for outcome, limits in detection.TARGETS.items():
        assert found[outcome].allows(*limits), (outcome, found[outcome])
        assert found[outcome].happened > 12


def test_some_of_the_images_have_the_precision_of_their_own_matches() -> None:
    """Images that are drawn twice weigh twice, as if they were there twice."""
    generator = np.random.default_rng(0)
    objects = [scene(generator, 2) for _ in range(30)]
    found = [detected(generator, each, 2, 1.0, 0.0) for each in objects]
    everything = [match_class(found, objects, label) for label in range(2)]
    drawn = np.array([3, 3, 7, 12, 12, 12, 20, 29])
    images, weights = np.unique(drawn, return_counts=True)
    some = precisions([of_images(each, images) for each in everything], weights.astype(float))
    twice = [match_class([found[i] for i in drawn], [objects[i] for i in drawn], label) for label in range(2)]
    np.testing.assert_allclose(some, precisions(twice, np.ones(len(drawn))), rtol=1e-12)
    assert 0 < some[0] < some[1] < 1


def test_the_truth_is_that_of_all_images_and_the_second_detector_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "IMAGES", 200)
    population = replace(SMALL, skill=1.02)
    one, other = truth(population)
    np.testing.assert_allclose(one, precisions(matched(population)[0], np.ones(200)))
    assert other[0] > one[0]
