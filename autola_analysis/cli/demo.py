"""``autola-analyze demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli import options
from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.summary import run_and_show
from autola_analysis.core.files import expanded


@grouped_options
def demo(
    machine: options.MachineFlags,
    detection: Annotated[
        bool, typer.Option("--detection", help="Detectors on scenes of several objects, instead of classifiers.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=expanded,
            help="Report directory. Default: reports/demo, of detectors reports/demo-detection.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    show: options.Open = False,
) -> None:
    """All analyses of networks that ship with the package, on images made on the spot: no download.

    Example: autola-analyze demo --out reports/demo --open
    """
    from autola_analysis.study.demo import CLASSIFIERS, DETECTORS, demo_study

    out = out or Path("reports") / ("demo-detection" if detection else "demo")
    study = demo_study(DETECTORS if detection else CLASSIFIERS)
    run_and_show(study, out, machine, overwrite=overwrite, show=show)
