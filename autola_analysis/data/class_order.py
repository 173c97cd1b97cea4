"""A source whose classes are numbered in the order of a head rather than of its folders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autola_analysis.core.errors import DataError
from autola_analysis.data.source import ImageSource, hash_of
from autola_analysis.data.subset import Subset


class Reordered(Subset):
    """All images of a source, with labels that number its classes in a given order.

    Args:
        source: The images.
        order: Names of the classes, in the order of the head's outputs; it may have more than the source.

    Raises:
        DataError: If a name stands there twice, or a class of the source does not.
    """

    def __init__(self, source: ImageSource, order: Sequence[str]) -> None:
        super().__init__(source, np.arange(len(source)))
        places = {name: place for place, name in enumerate(order)}
        if len(places) < len(order):
            twice = next(name for name in order if list(order).count(name) > 1)
            raise DataError(f"the class order names {twice!r} twice; name every class once.")
        missing = [name for name in source.classes if name not in places]
        if missing:
            raise DataError(
                f"the class order has no {missing[0]!r}, which is a class of {source.name} ({len(missing)} of its "
                f"{len(source.classes)} classes are missing); write the folders' names, in the order of training."
            )
        self.classes = tuple(order)
        self.labels = np.array([places[name] for name in source.classes], dtype=np.int64)[source.labels]

    def _with_choice(self, of_source: str) -> str:
        return hash_of(of_source, "class order", *self.classes)
