"""The people of a source as images whose objects are their joints."""

from __future__ import annotations

import numpy as np

from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.person_crops import PersonCrops, Size

VISIBLE = 2
"""Visibility of a joint that shows"""


class JointCrops(PersonCrops):
    """Crops of people whose classes are the joints, with an object at every joint that shows in its crop.

    Args:
        source: Images with people.
        size: Height and width of a crop.

    Raises:
        DataError: If the objects have no joints, or nobody is left.
    """

    def __init__(self, source: ObjectSource, size: Size) -> None:
        super().__init__(source, size)
        self.classes = self.joints.names
        self.category_ids = tuple(range(1, len(self.classes) + 1))

    def objects(self, index: int) -> Objects:
        """Return the visible joints: boxes of a pixel, and the area of the person in pixels of the stored image."""
        person = super().objects(index)
        assert person.keypoints is not None
        places, visibility = person.keypoints[0, :, :2], person.keypoints[0, :, 2]
        inside = ((places >= 0) & (places <= [self.size[1] - 1, self.size[0] - 1])).all(1)
        labels = np.flatnonzero((visibility == VISIBLE) & inside)
        corners = places[labels]
        return Objects(
            np.concatenate([corners, corners + 1], 1),
            labels,
            np.full(len(labels), person.areas[0] / self.maps[index].scale ** 2),
            np.zeros(len(labels), dtype=np.bool_),
            labels + 1,
        )

    def object_mask(self, index: int, number: int) -> None:
        """Return None: a joint is a point."""
