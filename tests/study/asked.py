"""What a command of one analysis does, for tests: a study of it, run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autola_analysis.analyses.observation import Reading
from autola_analysis.inference.run import Settings
from autola_analysis.study.command import command_study
from autola_analysis.study.file import AnalysisRequest, DataTable
from autola_analysis.study.run import StudyReport, run_study

QUIET = Reading(Settings(device="cpu", quiet=True))


def asked(
    analysis: str,
    checkpoints: Sequence[str | Path],
    out: Path,
    *,
    data: DataTable | None = None,
    how: Mapping[str, Sequence[str]] | None = None,
    width: str | float = "neurips",
    reading: Reading = QUIET,
    anonymous: bool = False,
    **options: Any,
) -> StudyReport:
    """Run one analysis of some checkpoints, as its command does.

    Args:
        analysis: Its name.
        checkpoints: ``PATH`` or ``NAME=PATH``.
        out: Report directory.
        data: Which images.
        how: How checkpoints are read, see `command_study`.
        width: Of the figures.
        reading: Device, batch size, cache.
        anonymous: Whether paths, host and user are left out.
        options: Of the analysis.
    """
    study = command_study(
        analysis, [str(each) for each in checkpoints], [AnalysisRequest.of(analysis, **options)], data, how, width=width
    )
    return run_study(study, out, reading, anonymous=anonymous)
