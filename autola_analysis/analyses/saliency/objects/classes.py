"""What the labels of several detectors mean, by one list of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.object_classes import NOT_THERE, classes_of_labels
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.core.text import apart, counted
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.tasks.detection import number_of_classes

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """The classes of objects that some networks find.

    Attributes:
        names: Of the data; where these have none, of the networks.
        by_title: Title of a network -> class of each of its labels ``(L,)``, -1 for none.
    """

    names: tuple[str, ...]
    by_title: Mapping[str, IntArray]

    @classmethod
    def of(cls, variants: Sequence[Variant], source: ObjectSource) -> Classes:
        """Return the classes of the data, or those of the networks where the data have none.

        Raises:
            OptionError: If a network's labels are not those of the data, or of the other networks.
        """
        if len(source.classes):
            return cls(source.class_names, {each.title: classes_of_labels(each, source) for each in variants})
        first = next((each for each in variants if each.classes is not None), variants[0])
        labels = number_of_classes(first.model) or 0
        for each in variants:
            own = number_of_classes(each.model) or 0
            if own != labels:
                raise OptionError(
                    f"{first.title} tells {counted(labels, 'class')} apart and {each.title} {own}; explain them one by "
                    "one, or on images with annotated objects (--data)."
                )
            if each.classes is not None and first.classes is not None and each.classes != first.classes:
                raise OptionError(
                    f"{first.title} and {each.title} name their classes differently; explain them one by one, or on "
                    "images with annotated objects (--data)."
                )
        numbered = tuple(f"class {number}" for number in range(1, labels + 1))
        names = apart(first.classes) if first.classes is not None else numbered
        return cls(names, {each.title: np.arange(labels) for each in variants})

    def meant(self, variant: Variant, labels: IntArray) -> IntArray:
        """Return the classes of labels of a network, -1 for none."""
        known = np.append(self.by_title[variant.title], NOT_THERE)  # the last stands for labels that do not exist
        return known[np.clip(labels, -1, len(known) - 1)]

    def labels(self, variant: Variant, classes: IntArray) -> IntArray:
        """Return the label that each of some classes has in a network; all of them have one."""
        known = self.by_title[variant.title]
        return np.array([int(np.flatnonzero(known == each)[0]) for each in classes], dtype=np.int64)
