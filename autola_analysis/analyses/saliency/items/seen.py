"""What one network gave for the items of one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from autola_analysis.analyses.saliency.result import Panel

Row = dict[str, Any]


@dataclass
class Seen:
    """What one network gave for the objects of the images of one batch, or for the joints of its people.

    Attributes:
        rows: One per item and map; also of maps that know nothing but where the network predicts the item.
        chance: Rows of the maps that know nothing; empty but for the first network.
        panels: Number of an image or a person, place of an item in it, and a map of it.
    """

    rows: list[Row] = field(default_factory=list)
    chance: list[Row] = field(default_factory=list)
    panels: list[tuple[int, int, Panel]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return plain values and arrays, which processes can send each other."""
        return {**vars(self), "panels": [(*place, dict(vars(panel))) for *place, panel in self.panels]}

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> Self:
        """Return what `plain` was called on."""
        panels = [(number, place, Panel(**panel)) for number, place, panel in values["panels"]]
        return cls(**{**values, "panels": panels})
