"""What explaining the images with one network gave, to be kept in a cache and brought together from processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.result import Panel
from autola_analysis.core.distributed import Processes

Row = dict[str, Any]
ARRAYS = ("map", "pixels", "mask")


@dataclass(frozen=True)
class Explained:
    """What one network gave for the images of one batch.

    Attributes:
        rows: One per image and map.
        panels: Number of an image to show, and a map of it.
        chance: Rows of the maps that know nothing; empty but for the first network.
        targets: Number of each image, and the class that is explained.
    """

    rows: list[Row] = field(default_factory=list)
    panels: list[tuple[int, Panel]] = field(default_factory=list)
    chance: list[Row] = field(default_factory=list)
    targets: list[tuple[int, int]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return plain values and arrays, which processes can send each other."""
        return {**vars(self), "panels": [(index, dict(vars(panel))) for index, panel in self.panels]}

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> Explained:
        """Return what `plain` was called on."""
        return cls(**{**values, "panels": [(index, Panel(**panel)) for index, panel in values["panels"]]})


@dataclass
class Findings:
    """What one network gave for all images.

    Attributes:
        batches: Number of a batch's first image, and what it gave.
        about: Settings of the maps.
        targets_are: What decided the targets.
    """

    batches: list[tuple[int, Explained]] = field(default_factory=list)
    about: Mapping[str, Any] = field(default_factory=dict)
    targets_are: str = ""

    @property
    def rows(self) -> list[Row]:
        """Rows of all images, in order."""
        return [row for _, explained in self.batches for row in explained.rows]

    @property
    def chance(self) -> list[Row]:
        """Rows of the maps that know nothing."""
        return [row for _, explained in self.batches for row in explained.chance]

    @property
    def panels(self) -> list[tuple[int, Panel]]:
        """Maps to show, in order of the images."""
        return [panel for _, explained in self.batches for panel in explained.panels]

    def gather(self, processes: Processes) -> None:
        """Bring the batches of all processes to the first one, in order; the others keep none."""
        mine = ((number, explained.plain()) for number, explained in self.batches)
        self.batches = [(number, Explained.of_plain(values)) for number, values in processes.gather_in_order(mine)]

    def targets(self, images: int) -> NDArray[np.int64]:
        """Return the class explained per image, -1 where that is not known here."""
        found = np.full(images, -1, dtype=np.int64)
        for _, explained in self.batches:
            for index, target in explained.targets:
                found[index] = target
        return found

    def save(self, folder: Path) -> None:
        """Write ``findings.json`` and ``panels.npz`` into a folder."""
        panels = self.panels
        meta = {
            "about": dict(self.about),
            "targets_are": self.targets_are,
            "rows": self.rows,
            "chance": self.chance,
            "targets": [pair for _, explained in self.batches for pair in explained.targets],
            "panels": [
                [index, {name: value for name, value in vars(panel).items() if name not in ARRAYS}]
                for index, panel in panels
            ],
        }
        (folder / "findings.json").write_text(json.dumps(meta) + "\n", encoding="utf-8")
        arrays = {
            f"{place}/{name}": getattr(panel, name)
            for place, (_, panel) in enumerate(panels)
            for name in ARRAYS
            if getattr(panel, name) is not None
        }
        np.savez(folder / "panels.npz", **arrays)

    def restore(self, folder: Path) -> None:
        """Take what `save` wrote."""
        meta = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
        self.about, self.targets_are = meta["about"], meta["targets_are"]
        nothing = np.empty((0, 0), np.float32)
        with np.load(folder / "panels.npz") as arrays:
            panels = [
                (
                    index,
                    replace(
                        Panel(map=nothing, **facts),
                        **{name: arrays[key] for name in ARRAYS if (key := f"{place}/{name}") in arrays},
                    ),
                )
                for place, (index, facts) in enumerate(meta["panels"])
            ]
        targets = [(index, target) for index, target in meta["targets"]]
        self.batches = [(0, Explained(meta["rows"], panels, meta["chance"], targets))]
