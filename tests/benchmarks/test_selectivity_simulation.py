"""A small run of the simulated studies of class selectivity, with a fixed seed."""

import pytest

from benchmarks.simulations.selectivity import COVERAGE, SIMULATIONS
from benchmarks.simulations.simulation import rates


@pytest.mark.parametrize("number", [0, 1])
def test_intervals_around_the_corrected_mean_hold_the_truth(number: int) -> None:
    found = rates(SIMULATIONS[number], 80)
    for outcome in ("corrected mean", "corrected difference"):
        assert SIMULATIONS[number].targets[outcome] == COVERAGE
        assert found[outcome].allows(*COVERAGE)


def test_intervals_around_the_plain_mean_do_not_where_signal_and_noise_are_alike() -> None:
    assert not rates(SIMULATIONS[0], 80)["plain mean"].allows(*COVERAGE)
