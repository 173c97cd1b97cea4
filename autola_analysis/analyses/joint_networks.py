"""Whether networks for joints can be looked at side by side, and on the joints of the data."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.core.objects import JointSet
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.person_crops import PersonCrops, Size, joints_of
from autola_analysis.inference.stream import ImageData


def check_joint_networks(variants: Sequence[Variant], source: ObjectSource) -> None:
    """Refuse networks of which some do not find the joints of the data.

    Args:
        variants: Of which at least one finds joints.
        source: The data.

    Raises:
        DataError: If the data have no joints.
        OptionError: If a network finds objects, another number of joints, or joints of other names in its file.
    """
    joints = joints_of(source)
    first = next(variant for variant in variants if variant.finds_joints)
    for variant in variants:
        if not variant.finds_joints:
            raise OptionError(f"{variant.title} finds objects, and {first.title} joints; analyse them one by one.")
        _check_joints(variant, joints, source.name)


def common_crop_size(variants: Sequence[Variant]) -> Size:
    """Return the height and width of the crops that networks for joints take.

    Raises:
        OptionError: If they take crops of different sizes.
    """
    first = variants[0]
    for variant in variants:
        if variant.crop_size != first.crop_size:
            sizes = " and ".join("{} x {}".format(*each.crop_size) for each in (first, variant))
            raise OptionError(
                f"{first.title} and {variant.title} take crops of {sizes} pixels, which do not show the same; analyse "
                "them one by one."
            )
    return first.crop_size


def people_of(variants: Sequence[Variant], source: ImageData) -> PersonCrops:
    """Return the people of a source in crops as networks for joints take them.

    Raises:
        DataError: If the data have no joints, or nobody with some.
        OptionError: If a network finds objects, other joints than those of the data, or takes other crops.
    """
    assert isinstance(source, ObjectSource)
    check_joint_networks(variants, source)
    return PersonCrops(source, common_crop_size(variants))


def _check_joints(variant: Variant, joints: JointSet, data: str) -> None:
    number = getattr(variant.model, "joints", None)
    if number not in (None, len(joints.names)):
        raise OptionError(
            f"{variant.title} finds {number} joints, and the people of {data} have {len(joints.names)}; give data with "
            "the joints that it was trained on."
        )
    if variant.classes is not None and variant.classes != joints.names:
        own, wanted = next(
            (pair for pair in zip(variant.classes, joints.names, strict=False) if pair[0] != pair[1]),
            (variant.classes[-1], joints.names[-1]),
        )
        raise OptionError(
            f"{variant.title} was trained on joints of other names than those of {data} ({own!r} where these have "
            f"{wanted!r}); give data with the joints that it was trained on."
        )
