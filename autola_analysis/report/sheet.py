"""What a section is drawn on: the report directory, the width of figures, small images, the options of the analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autola_analysis.core.results import Arrays, write_arrays
from autola_analysis.report.figures import write_figure
from autola_analysis.report.thumbnails import Thumbnails

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sheet:
    """What an analysis draws its sections on.

    Attributes:
        directory: The report.
        data: What captions call the images ("cifar10, test split").
        width: Of the figures: "neurips", "cvpr", "column" or inches.
        thumbnails: Small images that the page holds.
        options: Options of the analysis.
        note: Sentence at the end of every caption.
    """

    directory: Path
    data: str
    width: str | float = "neurips"
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    options: Any = None
    note: str = ""

    def draw(self, name: str, figure: Figure, caption: str) -> Mapping[str, str]:
        """Write a figure as ``figures/<name>.*`` and return what a section says of it."""
        caption = f"{caption} {self.note}".rstrip()
        write_figure(figure, self.directory, name, caption)
        return {name: caption}

    def keep(self, name: str, arrays: Arrays) -> None:
        """Write ``arrays/<name>.npz``, what a figure was drawn from."""
        write_arrays(self.directory, name, arrays)
