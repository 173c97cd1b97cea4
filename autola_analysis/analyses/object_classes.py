"""Which class of the data each label of a detector means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.core.text import counted
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.tasks.detection import number_of_classes

NOT_THERE = -1
"""Stands for a label that means no class of the data"""
TORCHVISIONS_COCO = 90
"""Labels of torchvision's detectors of COCO: they are the category ids, gaps included"""


def classes_of_labels(variant: Variant, source: ObjectSource) -> NDArray[np.int64]:
    """Return the class of the data that each label of a detector means ``(L,)``; -1 for none.

    Names decide where the file records them; else as many classes are those of the data in order. As many as the
    largest category id are the ids themselves, which torchvision's scripts train on as they are, and 90 are COCO's ids
    where the data's categories are some of COCO's.

    Raises:
        OptionError: If the labels cannot be those of the data.
    """
    labels = number_of_classes(variant.model)
    places = {name: number for number, name in enumerate(source.classes)}
    if variant.classes is not None and (known := [places.get(name, NOT_THERE) for name in variant.classes]):
        if missing := [name for name in source.classes if name not in variant.classes]:
            raise OptionError(
                f"{variant.title} knows no {missing[0]!r}, which is a class of {source.name} ({len(missing)} of its "
                f"{len(places)} are unknown); give data with the classes that it was trained on."
            )
        return np.array(known, dtype=np.int64)
    if labels in (len(places), None):
        return np.arange(len(places))
    if labels == max(source.category_ids, default=0) or (labels == TORCHVISIONS_COCO and _are_of_coco(source)):
        by_id = {category: number for number, category in enumerate(source.category_ids)}
        return np.array([by_id.get(category, NOT_THERE) for category in range(1, labels + 1)], dtype=np.int64)
    raise OptionError(
        f"{variant.title} tells {counted(labels, 'class')} apart, and {source.name} has {len(places)}; give data with "
        "the classes that it was trained on."
    )


def _are_of_coco(source: ObjectSource) -> bool:
    """Return whether every category of the data has the id and the name of one of COCO's."""
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    names = dict(enumerate(FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]))
    return all(names.get(number) == name for number, name in zip(source.category_ids, source.classes, strict=True))
