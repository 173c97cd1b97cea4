"""The two halves of a training split: weights are learned on one, the architecture on the other."""

from __future__ import annotations

import numpy as np

from autola_analysis.core.errors import DataError
from autola_analysis.data.source import ImageSource, IntArray
from autola_analysis.data.subset import Subset, seeded_order


def halves(source: ImageSource, seed: int) -> tuple[ImageSource, ImageSource]:
    """Divide a source into a half for the weights and a half for the architecture.

    Every image is in one of them, and every class is divided evenly; where it has an odd number of images, the larger
    part goes to one half and to the other in turn. Which image goes where depends on its id and the seed alone.

    Args:
        source: The training split.
        seed: Of the division.

    Raises:
        DataError: If a class has a single image.
    """
    chosen: tuple[list[IntArray], list[IntArray]] = ([], [])
    larger = 0
    for label in np.unique(source.labels):
        members = np.flatnonzero(source.labels == label)
        if len(members) < 2:
            name = source.classes[label] if 0 <= label < len(source.classes) else label
            raise DataError(
                f"the class {name} of {source.name} has a single image, so that it cannot be in both halves of a "
                "search; give every class two images or more."
            )
        mixed = members[seeded_order([source.ids[int(index)] for index in members], seed)]
        middle = len(members) // 2
        chosen[larger].append(mixed[: len(members) - middle])
        chosen[1 - larger].append(mixed[len(members) - middle :])
        larger ^= len(members) % 2
    first, second = (Subset(source, np.sort(np.concatenate(half))) for half in chosen)
    return first, second
