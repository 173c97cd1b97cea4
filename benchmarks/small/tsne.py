"""t-SNE with exact gradients on the device beside Barnes-Hut's trees on the CPU, of the same neighbours and start."""

from __future__ import annotations

import numpy as np

from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.optimise import Problem, Solution, optimise
from benchmarks.small.measuring import Setting, print_rates, print_ratios, timed

PERPLEXITY = 30


def print_table(setting: Setting) -> None:
    """Measure one run of each: they take seconds and repeat themselves 750 times."""
    points = setting.size(tiny=150, cpu=1000, cuda=10_000)
    random = np.random.default_rng(0)
    centres = 2 * random.normal(size=(10, 64))
    values = np.maximum(centres[np.arange(points) % 10] + random.normal(size=(points, 64)), 0)
    found = nearest_neighbours(values, 3 * PERPLEXITY, device=setting.device)
    start = 1e-4 * random.normal(size=(points, 2))
    solutions: dict[str, Solution] = {}

    def run(method: str) -> None:
        problem = Problem(found.indices, found.distances, start, PERPLEXITY, method, 0, setting.device)
        solutions[method] = optimise(problem, threads=2)

    seconds = {method: [timed(lambda method=method: run(method), setting)] for method in ("exact", "barnes-hut")}
    print_rates(f"t-SNE of {points:,} points", seconds, points, "points/s")
    print_ratios(seconds, [("exact", "barnes-hut")])
    values_of = ", ".join(f"{name} {solution.kl_divergence:.4f}" for name, solution in solutions.items())
    print(f"Divergence: {values_of}.\n", flush=True)
