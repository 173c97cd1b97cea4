"""What is done with annotated boxes that leave their image or have no area, where they are not refused."""

from __future__ import annotations

from typing import Literal, get_args

from autola_analysis.core.choices import checked_choice

BadBoxes = Literal["clip", "drop"]
"""Cut them at the border, as torchvision's reference training does, or leave their annotations out"""
WAYS: tuple[BadBoxes, ...] = get_args(BadBoxes)


def checked_bad_boxes(name: str | None) -> BadBoxes | None:
    """Return what is done with bad boxes as it is; None where nothing was said.

    Raises:
        OptionError: If there is no such way.
    """
    return None if name is None else checked_choice("--bad-boxes", name, WAYS)
