"""The visible joints of people as items of an analysis, looked at in crops of the people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from autola_analysis.analyses.analysis import Observed, Subject
from autola_analysis.analyses.joint_networks import check_joint_networks, common_crop_size
from autola_analysis.analyses.object_items import JOINTS, IntArray, ObjectItems
from autola_analysis.analyses.observation import Reading, Watcher, by_watcher, observe_all
from autola_analysis.data.joint_crops import JointCrops
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.stream import ImageData


@dataclass(frozen=True)
class JointItems(ObjectItems):
    """Visible joints of people, numbered in the order of the crops.

    `images` are crops, `names` those of the stored images, of which people of one image share one, `sizes` those of
    the people.
    """

    what: str = JOINTS

    @classmethod
    def of_people(cls, source: JointCrops) -> JointItems:
        """Return the joints of crops; those that fewer than ten people show are left out.

        Raises:
            DataError: If fewer than two joints are left.
        """
        found = ObjectItems.of(source)
        stored = tuple(source.source.ids[source.places[crop, 0]] for crop in found.images.tolist())
        values = {field.name: getattr(found, field.name) for field in fields(found)}
        return cls(**{**values, "names": stored, "what": JOINTS})

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the joints: of the image, the number of the person from 0 on, and that of the joint from 1 on."""
        numbers = zip(self.names, self.images.tolist(), self.labels.tolist(), strict=True)
        return tuple(f"{name} person {crop} joint {label + 1}" for name, crop, label in numbers)

    @property
    def groups(self) -> IntArray:
        """Number of the stored image of every joint, ``(N,)``."""
        return np.unique(self.names, return_inverse=True)[1]


def with_crops(subject: Subject) -> Subject:
    """Return a subject with crops of people for its images, where its networks find joints; itself otherwise.

    Raises:
        DataError: If the data have no joints, or nobody with some.
        OptionError: If a network finds objects, other joints than those of the data, or takes other crops.
    """
    source = subject.source
    if not (subject.finds_joints and isinstance(source, ObjectSource)) or isinstance(source, JointCrops):
        return subject
    check_joint_networks(subject.variants, source)
    return replace(subject, source=JointCrops(source, common_crop_size(subject.variants)))


def items_of(source: ImageData) -> ObjectItems | None:
    """Return the joints or objects of images; None where every image has one label.

    Raises:
        DataError: If fewer than two classes have enough of them.
    """
    if isinstance(source, JointCrops):
        return JointItems.of_people(source)
    return ObjectItems.of(source) if isinstance(source, ObjectSource) else None


def observed_in_crops(watchers: Sequence[Watcher[Any]], subject: Subject, reading: Reading) -> Observed:
    """Run the networks of a subject over its crops, which the pass over whole images does not show."""
    return Observed(by_watcher(watchers, observe_all(subject.variants, subject.source, watchers, reading)))
