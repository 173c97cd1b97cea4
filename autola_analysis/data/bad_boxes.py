"""Annotated boxes that leave their image or have no area: what is wrong with them, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

from autola_analysis.core.reading import is_number
from autola_analysis.core.text import counted

TOLERANCE = 1.0
"""Pixels by which a box may leave its image: COCO's own are rounded, and stay as they are"""


@dataclass(frozen=True)
class BoxChanges:
    """What reading has done with the bad boxes of some annotations.

    Attributes:
        clipped: Boxes that were cut at the border of their image.
        left_out: Boxes whose annotations were left out.
    """

    clipped: int = 0
    left_out: int = 0

    def __bool__(self) -> bool:
        return bool(self.clipped or self.left_out)

    def sentence(self) -> str:
        """Say how many boxes it was."""
        done = [(self.clipped, "cut at the border"), (self.left_out, "left out")]
        parts = [f"{counted(number, 'annotated box')} {_are(number)} {what}" for number, what in done if number]
        one = self.clipped + self.left_out == 1
        why = "it reaches beyond its image or has" if one else "they reach beyond their images or have"
        return f"{' and '.join(parts)}, since {why} no area."


NO_CHANGES = BoxChanges()


def box_fault(box: object, width: int, height: int) -> str:
    """Return what is wrong with a box x, y, width, height; "" for a box that can be used."""
    if not _is_box(box):
        return "is not four finite numbers"
    x, y, across, down = box
    if not (across > 0 and down > 0):
        return "has no area"
    inside = x >= -TOLERANCE and y >= -TOLERANCE and x + across <= width + TOLERANCE and y + down <= height + TOLERANCE
    return "" if inside else f"reaches beyond its image of {width} x {height} pixels"


def clipped(box: object, width: int, height: int) -> list[float] | None:
    """Return the part of a box x, y, width, height that lies in its image; None where it has no area."""
    if not _is_box(box):
        return None
    x, y, across, down = box
    left, top = max(x, 0.0), max(y, 0.0)
    across, down = min(x + across, float(width)) - left, min(y + down, float(height)) - top
    return [left, top, across, down] if across > 0 and down > 0 else None


def _is_box(box: object) -> TypeGuard[list[float]]:
    return isinstance(box, list) and len(box) == 4 and all(map(is_number, box))


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
