"""Whether the heat maps of a network are of the joints of the data."""

from __future__ import annotations

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.core.objects import JointSet


def check_joints(variant: Variant, joints: JointSet, data: str) -> None:
    """Refuse a network for other joints than those of the data: another number of them, or other names in its file.

    Args:
        variant: A network for joints.
        joints: Of the data.
        data: Name of the data.

    Raises:
        OptionError: Naming the network.
    """
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
