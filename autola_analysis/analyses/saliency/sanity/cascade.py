"""The cascade itself: maps while one part of a network after the other forgets, beside maps that are to be expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.explanation import MapKey
from autola_analysis.analyses.saliency.sanity.correlations import between_images
from autola_analysis.analyses.saliency.sanity.result import OTHER_IMAGES, OTHER_RUNS, ComparedMaps
from autola_analysis.analyses.saliency.sanity.weights import randomise
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.copies import copied

FloatArray = NDArray[np.float64]
Ranks = Mapping[MapKey, FloatArray]
"""Per method and layer the ranks of every image's map, as `unit_ranks` gives them"""


def compared(
    variant: Variant,
    trained: Ranks,
    parts: Sequence[str],
    ranks_of: Callable[[Variant], Ranks],
    others: Sequence[Ranks],
    draws: int,
    seed: int,
    progress: Callable[[int], object],
) -> dict[ComparedMaps, FloatArray]:
    """Return the rank correlations of a network's maps with those under random weights, and with both baselines.

    Args:
        variant: The network; it stays as it is, a copy forgets.
        trained: Its maps.
        parts: Names of its parts, from the head down.
        ranks_of: Makes the maps of the same targets by the network with other weights.
        others: Maps of the same images by other training runs.
        draws: How often all weights are drawn.
        seed: Of the weights.
        progress: Takes the number of parts that were drawn since the last call.

    Raises:
        OptionError: If there is no draw.
    """
    if draws < 1:
        raise OptionError(f"draws is the number of draws of random weights, from 1 on; found {draws}.")
    stages: dict[tuple[MapKey, str], list[FloatArray]] = {(key, part): [] for key in trained for part in parts}
    with torch.inference_mode(False):  # what is copied under inference_mode could not be written
        for draw in range(draws):
            forgetful = replace(variant, model=copied(variant.model))
            for place, part in enumerate(parts):
                randomise(forgetful.model.get_submodule(part), seed + draw * len(parts) + place)
                for key, ranks in ranks_of(forgetful).items():
                    stages[key, part].append((trained[key] * ranks).sum(1))
                progress(1)
    correlations: dict[ComparedMaps, FloatArray] = {}
    for key, ranks in trained.items():
        about = (variant.name, variant.run, key[0], key[1] or "")
        correlations |= {ComparedMaps(*about, part): np.stack(stages[key, part]) for part in parts}
        correlations[ComparedMaps(*about, OTHER_IMAGES, baseline=True)] = between_images(ranks)
        if runs := [(ranks * other[key]).sum(1) for other in others if key in other]:
            correlations[ComparedMaps(*about, OTHER_RUNS, baseline=True)] = np.stack(runs)
    return correlations


def by_name(variants: Sequence[Variant]) -> list[list[Variant]]:
    """Return the training runs of every variant, the first of which is checked beside the others."""
    runs: dict[str, list[Variant]] = {}
    for variant in variants:
        runs.setdefault(variant.name, []).append(variant)
    return list(runs.values())
