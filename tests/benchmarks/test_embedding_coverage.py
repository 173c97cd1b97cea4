"""A small simulation of what features are rated by: intervals narrowed for a finite set hold its truth."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.simulations import embedding as module
from benchmarks.simulations.embedding import (
    AS_GIVEN,
    NEIGHBOURS,
    SILHOUETTE,
    TARGETS,
    Population,
    covers,
    made_up,
    rated,
    truth,
)
from benchmarks.simulations.simulation import Simulation, rates

SMALL = Population(partial(made_up, 1000, 4, 0.6, 0.5, 6), images=120, references=60)


def test_intervals_hold_the_truth_as_often_as_the_table_asks() -> None:
    found = rates(Simulation("small", TARGETS, partial(covers, SMALL)), 100)
    for outcome, (least, most) in TARGETS.items():
        assert found[outcome].allows(least, most), (outcome, found[outcome])


def test_the_truth_of_neighbours_is_that_of_studies_and_the_truth_of_silhouettes_that_of_all_images() -> None:
    few = replace(SMALL, references=3)
    sets, generator = few.sets(), np.random.default_rng(2**31)
    studies = [rated(sets.some(120, generator)) for _ in range(3)]
    means = np.mean([[values.mean() for values in each[NEIGHBOURS]] for each in studies], axis=0)
    assert truth(few)[NEIGHBOURS] == pytest.approx(means[0])
    assert truth(few)[f"{NEIGHBOURS} difference"] == pytest.approx(means[1] - means[0])
    whole = [values.mean() for values in rated(sets)[SILHOUETTE]]
    assert truth(few)[f"{SILHOUETTE} difference"] == pytest.approx(whole[1] - whole[0])


def test_neighbours_as_given_have_narrower_intervals() -> None:
    values = rated(SMALL.sets().some(120, np.random.default_rng(0)))
    assert values[AS_GIVEN][0].mean() == pytest.approx(values[NEIGHBOURS][0].mean())
    assert values[AS_GIVEN][0].std() < values[NEIGHBOURS][0].std()


def test_only_made_up_features_are_simulated_without_the_shared_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in module.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert list(module.populations()) == list(module.MADE_UP)
    for name in module.VARIABLES:
        monkeypatch.setenv(name, "/somewhere")
    assert list(module.populations()) == [*module.MADE_UP, *module.REAL]
