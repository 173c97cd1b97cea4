"""The people whom a network finds, as columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.inference.tasks.average_precision import Detections
from autola_analysis.inference.tasks.joint_suppression import person_scores, suppress_people


@dataclass(frozen=True)
class People:
    """What is found in the crops of people, a row each, in the order of the crops.

    Attributes:
        images: Number of the image, ``(P,)``.
        objects: Number of the annotated person in it, ``(P,)``.
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
    ) -> Self:
        """Return the people of all crops.

        Args:
            crops: Of one person each.
            joints: x and y in pixels of every crop, ``(P, J, 2)``.
            joint_scores: ``(P, J)``.
            sigmas: How precisely every joint can be placed, in shares of the root of a person's area.
        """
        images, objects = crops.places.T
        stored = np.stack([place.inverse()(each) for place, each in zip(crops.maps, joints, strict=True)])
        areas = np.array([crops.size[0] * crops.size[1] / place.scale**2 for place in crops.maps])
        scores = person_scores(joint_scores)
        kept = np.zeros(len(images), dtype=np.bool_)
        for image in np.unique(images):
            own = np.flatnonzero(images == image)
            kept[own[suppress_people(stored[own], scores[own], areas[own], sigmas)]] = True
        return cls(images, objects, stored, joint_scores, scores, kept)

    def per_image(self, crops: PersonCrops) -> list[Detections]:
        """Return the people who are kept of every image of the source, with the class of the annotated person."""
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

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
