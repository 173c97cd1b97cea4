"""The people whom a network finds, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autola_analysis.core.objects import Objects
from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.inference.tasks.average_precision import Detections, box_overlaps
from autola_analysis.inference.tasks.joint_suppression import person_scores, suppress_people, suppress_softly

OWN_BOX = 0.5
"""IoU of a box that was given and an annotated one from which they are of one person"""


@dataclass(frozen=True)
class People:
    """What is found in the crops of people, a row each, in the order of the crops.

    Attributes:
        images: Number of the image, ``(P,)``.
        objects: Number of the annotated person in it, or of the box that was given, ``(P,)``.
        joints: x and y in pixels of the stored image, whose first pixel is centred at 0, ``(P, J, 2)``.
        joint_scores: Maxima of the heat maps, ``(P, J)``.
        scores: Of the people, ``(P,)``.
        kept: Whether nobody surer in the image has nearly the same joints, ``(P,)``.
    """

    images: NDArray[np.int64]
    objects: NDArray[np.int64]
    joints: NDArray[np.float64]
    joint_scores: NDArray[np.float64]
    scores: NDArray[np.float64]
    kept: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        crops: PersonCrops,
        joints: NDArray[np.float64],
        joint_scores: NDArray[np.float64],
        sigmas: tuple[float, ...],
        box_scores: NDArray[np.float64] | float = 1.0,
        soft: bool = False,
    ) -> Self:
        """Return the people of all crops.

        Args:
            crops: Of one person each.
            joints: x and y in pixels of every crop, ``(P, J, 2)``.
            joint_scores: ``(P, J)``.
            sigmas: How precisely every joint can be placed, in shares of the root of a person's area.
            box_scores: Of the boxes, ``(P,)``; annotated ones have 1.
            soft: Whether scores decay by the likeness to surer people, rather than that people go.
        """
        images, objects = crops.places.T
        stored = np.stack([place.inverse()(each) for place, each in zip(crops.maps, joints, strict=True)])
        areas = np.array([crops.size[0] * crops.size[1] / place.scale**2 for place in crops.maps])
        scores = person_scores(joint_scores, box_scores)
        kept = np.zeros(len(images), dtype=np.bool_)
        for image in np.unique(images):
            own = np.flatnonzero(images == image)
            about = stored[own], scores[own], areas[own], sigmas
            if soft:
                numbers, decayed = suppress_softly(*about)
                scores[own[numbers]] = decayed
            else:
                numbers = suppress_people(*about)
            kept[own[numbers]] = True
        return cls(images, objects, stored, joint_scores, scores, kept)

    def per_image(self, crops: PersonCrops) -> list[Detections]:
        """Return the people who are kept of every image of the source, with the class of their box."""
        found = []
        for image, people in enumerate(crops.people):
            own = np.flatnonzero((self.images == image) & self.kept)
            found.append(
                Detections(
                    people.boxes[self.objects[own]],
                    people.labels[self.objects[own]],
                    self.scores[own],
                    self.joints[own],
                )
            )
        return found

    def in_boxes_of(self, crops: PersonCrops, people: Sequence[Objects]) -> People:
        """Return the people whose given box is an annotated person's, with the number of the latter.

        Pairs are made from the best-fitting box on, with an IoU of at least a half; crowds and people without a
        labelled joint have none.

        Args:
            crops: By the boxes that were given.
            people: Annotated in every image.
        """
        rows: list[int] = []
        numbers: list[int] = []
        for image, annotated in enumerate(people):
            assert annotated.keypoints is not None
            own = np.flatnonzero((self.images == image) & self.kept)
            overlaps = box_overlaps(crops.people[image].boxes[self.objects[own]], annotated.boxes)
            overlaps[:, annotated.crowd | ~(annotated.keypoints[..., 2] > 0).any(1)] = 0
            while overlaps.size and overlaps.max() >= OWN_BOX:
                row, number = np.unravel_index(overlaps.argmax(), overlaps.shape)
                rows.append(int(own[row]))
                numbers.append(int(number))
                overlaps[row], overlaps[:, number] = 0, 0
        chosen = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        return type(self)(**{**chosen, "objects": np.array(numbers, dtype=np.int64)})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
