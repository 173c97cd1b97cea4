"""Verdicts over three other variants: how often a claim is contradicted, supported, equivalent where it should not be.

A study has a candidate and three others with runs of their own on the same images. Differences are planted: at the
boundary of the margin, where a verdict is wrong half way, or at the difference that is detectable with 80% power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from autola_analysis.statistics.claims import Claim, decide
from autola_analysis.statistics.difference import Statistic
from autola_analysis.statistics.intervals import Component, together
from autola_analysis.statistics.power import detectable_difference
from benchmarks.simulations.simulation import Simulation

OTHERS = ("none", "SE", "CBAM")
CANDIDATE = "HOGA"
CLAIM = Claim("better", "", "simulated", "value", stage="last", direction=1, margin=0.01)
LAYER = "last"
RUNS = (3, 5, 10)
IMAGES = 20
SPREAD = 0.01
"""Standard deviation of runs, and of a run for an image."""
AT_MOST = (0.0, 0.025)
FAR = 20 * SPREAD


def verdicts(runs: int, effects: Sequence[float], generator: np.random.Generator, noise: float = SPREAD) -> list[str]:
    """Draw a study with the candidate above the others by the effects.

    Returns:
        The claim's verdict, and that against each other variant alone.
    """
    means = dict(zip(OTHERS, (-effect for effect in effects), strict=True)) | {CANDIDATE: 0.0}
    values = {
        name: 0.5 + mean + noise * generator.normal(size=(runs, 1)) + noise * generator.normal(size=(runs, IMAGES))
        for name, mean in means.items()
    }
    rows, _ = decide([CLAIM], [Statistic("simulated", LAYER, "value", values)], CANDIDATE, OTHERS, ["first", LAYER])
    return [rows["verdict"].iloc[0], *rows["verdict_against"]]


def wrong(runs: int, generator: np.random.Generator) -> Mapping[str, bool]:
    """Say which verdicts were given where every difference makes them wrong, but only just."""
    margin = CLAIM.margin
    return {
        "contradicted, all at the boundary": verdicts(runs, [-margin] * 3, generator)[0] == "contradicted",
        "supported, one at the boundary": verdicts(runs, [margin, FAR, FAR], generator)[0] == "supported",
        "equivalent, one at the boundary": verdicts(runs, [margin, 0, 0], generator)[0] == "equivalent",
        "equivalent without width": verdicts(runs, [0, 0, 0], generator, noise=0.0)[0] == "equivalent",
    }


def detected(runs: int, generator: np.random.Generator) -> Mapping[str, bool]:
    """Say whether a difference of the detectable size is detected, by one comparison and by the whole claim."""
    of_runs = together([Component(SPREAD**2 * (1 + 1 / IMAGES) / runs, runs - 1)] * 2)  # image means do not vary
    effect = detectable_difference([of_runs], CLAIM.margin)
    claim, *alone = verdicts(runs, [effect] * 3, generator)
    return {"detected against one": alone[0] == "supported", "claim supported": claim == "supported"}


SIMULATIONS = [
    Simulation(
        f"{runs} runs",
        {
            "contradicted, all at the boundary": AT_MOST,
            "supported, one at the boundary": AT_MOST,
            "equivalent, one at the boundary": AT_MOST,
            "equivalent without width": (0.0, 0.0),
        },
        partial(wrong, runs),
    )
    for runs in RUNS
] + [
    Simulation(
        f"{runs} runs, detectable difference",
        {"detected against one": (0.78, 0.82), "claim supported": (0.0, 1.0)},
        partial(detected, runs),
    )
    for runs in RUNS
]
