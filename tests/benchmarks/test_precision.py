"""Simulated studies of precision at mask area: a sample of what `benchmarks/COVERAGE.md` tabulates."""

import numpy as np
import pytest

from benchmarks.simulations import precision
from benchmarks.simulations.precision import NOMINAL, POPULATIONS, SIMULATIONS, bumps, fields, objects, precisions
from benchmarks.simulations.simulation import rates

STUDIES = 120


@pytest.mark.parametrize("name", ["two checkpoints apart", "three runs apart"])
def test_the_difference_of_precisions_is_covered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "TABULATED", 2000)
    precision.tabulated.cache_clear()
    (simulation,) = (each for each in SIMULATIONS if each.name == name)
    assert rates(simulation, STUDIES, seed=1)["difference"].allows(*NOMINAL)
    precision.tabulated.cache_clear()


def test_a_study_is_drawn_as_it_says() -> None:
    generator = np.random.default_rng(0)
    drawn = fields(generator, 400)
    assert drawn.var() == pytest.approx(1, abs=0.05)
    masks = objects(generator, 400)
    areas = masks.sum((1, 2))
    assert {2**2, 8**2} <= set(areas) <= {side**2 for side in range(2, 9)}
    found = [precisions(strength * bumps(masks) + drawn, masks).mean() for strength in (0, 1, 3)]
    assert found[0] == pytest.approx((areas / 256).mean(), abs=0.02)  # without a bump, by chance
    assert found[0] < found[1] - 0.1 < found[2] - 0.2
    assert len(POPULATIONS) == len(SIMULATIONS)
