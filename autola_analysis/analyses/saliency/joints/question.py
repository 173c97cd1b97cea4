"""Whose joints all networks explain, and whose maps are kept for the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.explain_joints import JointTarget
from autola_analysis.analyses.saliency.objects.question import methods_of
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.data.subset import seeded_order

JOINTS_SHOWN = 2
"""Joints of a person whose maps are kept"""


@dataclass(frozen=True)
class JointQuestion:
    """What every network for joints is asked.

    Attributes:
        crops: The people.
        options: Methods, layers, target.
        shown: Joints whose maps are kept, by the number of the person.
    """

    crops: PersonCrops
    options: SaliencyOptions
    shown: Mapping[int, tuple[int, ...]]

    @classmethod
    def of(cls, crops: PersonCrops, options: SaliencyOptions) -> JointQuestion:
        """Choose the joints to show: some of some people, by seed, before any map is made."""
        order = options.shown or np.sort(seeded_order(crops.ids, options.seed)[: options.show]).tolist()
        question = cls(crops, options, {})
        return cls(crops, options, {person: question._some_joints(person) for person in order})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the joints."""
        return self.crops.joints.names

    @property
    def titles(self) -> tuple[str, ...]:
        """Names of the joints as figures write them."""
        return tuple(name.replace("_", " ") for name in self.names)

    @property
    def sigmas(self) -> tuple[float, ...]:
        """How precisely every joint can be placed."""
        assert self.crops.joints.sigmas is not None
        return self.crops.joints.sigmas

    @property
    def partners(self) -> dict[int, int]:
        """The same joint of the other side, by the number of a joint."""
        return {one: other for pair in self.crops.joints.pairs for one, other in (pair, pair[::-1])}

    @property
    def methods(self) -> list[str]:
        """Names of the methods: those of detectors and joints where none were asked for."""
        return methods_of(self.options)

    @property
    def target(self) -> JointTarget:
        """Which cell of a heat map is explained: that of the label unless the peak is asked for."""
        return "predicted" if self.options.target == "predicted" else "label"

    def joints(self, person: int) -> NDArray[np.float64]:
        """Return x and y of the joints of a person in the crop, NaN where one is not labelled, ``(J, 2)``."""
        keypoints = self.crops.objects(person).keypoints
        assert keypoints is not None
        return np.where(keypoints[0, :, 2:] > 0, keypoints[0, :, :2], np.nan)

    def inputs(self) -> dict[str, Any]:
        """Return what the findings depend on beside networks and images, JSON-ready."""
        asked = self.options.model_dump(mode="json", exclude={"images"})
        return {**asked, "methods": self.methods, "target": self.target, "shown": sorted(self.shown)}

    def _some_joints(self, person: int) -> tuple[int, ...]:
        joints = self.joints(person)
        inside = ((joints >= 0) & (joints <= np.array(self.crops.size[::-1]) - 1)).all(1)  # False where one is NaN
        labelled = np.flatnonzero(inside)
        order = seeded_order([f"{self.crops.ids[person]}/{joint}" for joint in labelled], self.options.seed)
        return tuple(sorted(int(labelled[place]) for place in order[:JOINTS_SHOWN]))
