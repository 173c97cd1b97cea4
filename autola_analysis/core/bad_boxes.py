"""What is done with annotated boxes that leave their image or have no area, where they are not refused."""

from __future__ import annotations

from typing import Literal, get_args

from autola_analysis.core.errors import OptionError

BadBoxes = Literal["clip", "drop"]
"""Cut them at the border, as torchvision's reference training does, or leave their annotations out"""


def checked_bad_boxes(name: str | None) -> BadBoxes | None:
    """Return what is done with bad boxes as it is; None where nothing was said.

    Raises:
        OptionError: If there is no such way.
    """
    for known in get_args(BadBoxes):
        if name == known:
            return known
    if name is None:
        return None
    raise OptionError(f"--bad-boxes is one of {', '.join(get_args(BadBoxes))}; found {name!r}.")
