"""Exact nearest neighbours beside scikit-learn, and beside torch's distances in float64 and a sort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from benchmarks.small.measuring import Setting, alternate, installed, print_rates, print_ratios

NEIGHBOURS = 90
ROWS = 2048


def print_table(setting: Setting) -> None:
    """Measure on clouds of ten classes."""
    points, width = setting.size(tiny=(200, 8), cpu=(5000, 64), cuda=(10_000, 256))
    generator = np.random.default_rng(0)
    centres = 2 * generator.normal(size=(10, width))
    values = np.maximum(centres[np.arange(points) % 10] + generator.normal(size=(points, width)), 0)

    def of_scikit_learn() -> Any:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(values).kneighbors()

    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: nearest_neighbours(values, NEIGHBOURS, device=setting.device),
        "torch.cdist": lambda: of_cdist(values, setting.device),
        "scikit-learn on the CPU": of_scikit_learn,
    }
    names = installed({"ours": "", "torch.cdist": "", "scikit-learn on the CPU": "sklearn"})
    seconds = alternate({name: calls[name] for name in names}, setting)
    print_rates(f"{NEIGHBOURS} neighbours of {points:,} x {width}", seconds, points, "points/s")
    print_ratios(seconds, [("ours", name) for name in names[1:]])
    expected = of_cdist(values)
    found = nearest_neighbours(values, NEIGHBOURS, device=setting.device).distances
    apart = float(np.abs(found - expected).max() / expected.max())
    print(f"Distances differ from those of torch.cdist on the CPU by {apart:.0e} of the largest.\n", flush=True)


def of_cdist(values: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Return the distances to the nearest other points, in float64, of some rows at once."""
    points = torch.from_numpy(values).to(device)
    found: list[Tensor] = []
    for start in range(0, len(points), ROWS):
        rows = points[start : start + ROWS]
        distances = torch.cdist(rows, points, compute_mode="donot_use_mm_for_euclid_dist")
        own = torch.arange(len(rows), device=device)
        distances[own, start + own] = torch.inf
        found.append(distances.topk(NEIGHBOURS, largest=False).values.cpu())
    return torch.cat(found).numpy()
