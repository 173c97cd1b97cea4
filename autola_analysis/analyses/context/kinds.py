"""The kinds of images: as they are, pasted back, and with other surroundings."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.core.errors import UnknownNameError
from autola_analysis.core.registry import nearest

UNALTERED, PASTED_BACK = "unaltered", "pasted-back"
SAME_CLASS, OTHER_CLASS = "same-class-background", "other-class-background"
CLUTTER, OBJECT_ONLY = "clutter-exchanged", "object-only"
CHOICES = (SAME_CLASS, OTHER_CLASS, CLUTTER, OBJECT_ONLY)
"""Kinds that can be asked for; the other two are always there."""
WITH_DONOR = (SAME_CLASS, OTHER_CLASS, CLUTTER)
"""Kinds that take something of another image."""


def chosen_kinds(asked: Sequence[str]) -> list[str]:
    """Return the kinds that are asked for, in the order in which they are shown.

    Raises:
        UnknownNameError: If there is no such kind.
    """
    for name in asked:
        if name not in CHOICES:
            raise UnknownNameError(f"there is no kind {name!r}; the nearest: {', '.join(nearest(name, CHOICES))}.")
    return [kind for kind in CHOICES if kind in asked]


def control_of(kind: str) -> str:
    """Return the kind that a kind is compared with: the object pasted back, and for that the image as it is."""
    return UNALTERED if kind == PASTED_BACK else PASTED_BACK
