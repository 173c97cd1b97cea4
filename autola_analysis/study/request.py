"""What all commands of a single analysis are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autola_analysis.analyses.observation import Reading
from autola_analysis.figures.style import figure_width
from autola_analysis.inference.run import check_settings
from autola_analysis.report.directory import check_free
from autola_analysis.study.models import LoadingOptions
from autola_analysis.study.sources import DataOptions


@dataclass(frozen=True)
class ReportRequest:
    """One run of a command that analyses checkpoints and writes a report.

    Attributes:
        checkpoints: ``PATH`` or ``NAME=PATH``, in the order they are shown.
        out: Report directory.
        loading: How checkpoints are read.
        data: Which images.
        reading: Device, precision, batch size, workers, cache, progress bar.
        width: Of the figures.
        overwrite: Whether an earlier report at `out` is replaced.
        anonymous: Whether paths, host and user are left out of everything written.
    """

    checkpoints: Sequence[str]
    out: Path
    loading: LoadingOptions = field(default_factory=LoadingOptions)
    data: DataOptions = field(default_factory=DataOptions)
    reading: Reading = field(default_factory=Reading)
    width: str = "neurips"
    overwrite: bool = False
    anonymous: bool = False

    def check(self) -> None:
        """Refuse what can be refused before any work.

        Raises:
            AutolaError: If the output directory is taken, or width, device or precision are not possible.
        """
        check_free(self.out, self.overwrite)
        figure_width(self.width)
        check_settings(self.reading.settings)
