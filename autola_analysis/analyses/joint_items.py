"""The visible joints of people as items of an analysis, looked at in crops of the people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from autola_analysis.analyses.analysis import Observed, Subject
from autola_analysis.analyses.joint_names import check_joints
from autola_analysis.analyses.object_items import JOINTS, IntArray, ObjectItems
from autola_analysis.analyses.observation import Reading, Watcher, by_watcher, observe_all
from autola_analysis.core.errors import OptionError
from autola_analysis.data.joint_crops import JointCrops
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.person_crops import joints_of


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


def looks_at_joints(subject: Subject) -> bool:
    """Return whether some of the networks find joints."""
    return any(variant.finds_joints for variant in subject.variants)


def with_crops(subject: Subject) -> Subject:
    """Return a subject with crops of people for its images, where its networks find joints; itself otherwise.

    Raises:
        DataError: If the data have no joints, or nobody with some.
        OptionError: If a network finds objects, other joints than those of the data, or takes other crops.
    """
    source = subject.source
    if not (looks_at_joints(subject) and isinstance(source, ObjectSource)) or isinstance(source, JointCrops):
        return subject
    joints = joints_of(source)
    first = next(variant for variant in subject.variants if variant.finds_joints)
    for variant in subject.variants:
        if not variant.finds_joints:
            raise OptionError(f"{variant.title} finds objects, and {first.title} joints; look at them one by one.")
        check_joints(variant, joints, source.name)
        if variant.crop_size != first.crop_size:
            sizes = " and ".join("{} x {}".format(*each.crop_size) for each in (first, variant))
            raise OptionError(
                f"{first.title} and {variant.title} take crops of {sizes} pixels, which show different joints; look at "
                "them one by one."
            )
    return replace(subject, source=JointCrops(source, first.crop_size))


def items_of(subject: Subject) -> ObjectItems | None:
    """Return the joints or objects of a subject's images; None where every image has one label."""
    if isinstance(subject.source, JointCrops):
        return JointItems.of_people(subject.source)
    return ObjectItems.of(subject.source) if isinstance(subject.source, ObjectSource) else None


def observed_in_crops(watchers: Sequence[Watcher[Any]], subject: Subject, reading: Reading) -> Observed:
    """Run the networks of a subject over its crops, which the pass over whole images does not show."""
    return Observed(by_watcher(watchers, observe_all(subject.variants, subject.source, watchers, reading)))
