"""The joint-to-joint matrix of every variant, and its differences from the first, with intervals over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.explain_joints import mean_shares
from autola_analysis.analyses.saliency.joints.result import DIFFERENCES, MATRIX
from autola_analysis.statistics.difference import difference
from autola_analysis.statistics.intervals import share_interval

FloatArray = NDArray[np.float64]
IMAGES = "images"
Key = tuple[str, str]
"""Method and layer"""


def shares_key(model: str, run: str, method: str, layer: str) -> str:
    """Return the name of an array of shares."""
    return f"{model}/{run}/{method}/{layer}"


def by_variant(
    shares: Mapping[str, NDArray[Any]], networks: Sequence[tuple[str, str]]
) -> dict[Key, dict[str, FloatArray]]:
    """Return per method and layer, and variant, the mean shares of every image, ``(runs, images, J, J)``.

    Args:
        shares: Of all networks, see `JointSaliencyResult`.
        networks: Names and runs, in order.
    """
    images = shares[IMAGES]
    found: dict[Key, dict[str, list[FloatArray]]] = {}
    for model, run in networks:
        prefix = f"{model}/{run}/"
        for name, values in shares.items():
            if name.startswith(prefix):
                method, _, layer = name.removeprefix(prefix).partition("/")
                of_images = np.stack([mean_shares(values[images == image]) for image in np.unique(images)])
                found.setdefault((method, layer), {}).setdefault(model, []).append(of_images)
    return {key: {name: np.stack(runs) for name, runs in of_key.items()} for key, of_key in found.items()}


def matrix_frames(
    shares: Mapping[str, NDArray[Any]], networks: Sequence[tuple[str, str]], joints: Sequence[str], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `MATRIX` and of `DIFFERENCES`.

    Args:
        shares: Of all networks.
        networks: Names and runs, in order.
        joints: Names of the joints.
        seed: Of the bootstrap.
    """
    rows, changes = [], []
    for (method, layer), variants in by_variant(shares, networks).items():
        first = next(iter(variants))
        for name, values in variants.items():
            run = next(run for model, run in networks if model == name)
            people = (~np.isnan(shares[shares_key(name, run, method, layer)])).sum(0)
            for place, joint in enumerate(joints):
                for beside, other in enumerate(joints):
                    about, own = [method, layer, joint, other], _known(values[..., place, beside])
                    energy = own.mean() if own.size else np.nan
                    interval = share_interval(own, seed) if own.size else (np.nan, np.nan)
                    rows.append([name, *about, int(people[place, beside]), energy, *interval])
                    if name != first:
                        change = difference(values[..., place, beside], variants[first][..., place, beside], seed=seed)
                        changes.append([name, first, *about, change.value, *change.interval])
    return pd.DataFrame(rows, columns=MATRIX.names), pd.DataFrame(changes, columns=DIFFERENCES.names)


def square(frame: pd.DataFrame, column: str, joints: Sequence[str]) -> FloatArray:
    """Return the rows of a single matrix as a square ``(J, J)``; NaN where there is none."""
    table = frame.pivot(index="joint", columns="other", values=column)
    return table.reindex(index=list(joints), columns=list(joints)).to_numpy(float)


def _known(values: FloatArray) -> FloatArray:
    """Return values ``(runs, images)`` of the images that have one in every run."""
    return values[:, ~np.isnan(values).any(0)]
