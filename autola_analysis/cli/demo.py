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
    out: Annotated[Path, typer.Option(metavar="DIR", parser=expanded, help="Report directory.")] = Path("reports/demo"),
    overwrite: options.Overwrite = False,
    show: options.Open = False,
) -> None:
    """All analyses of networks that ship with the package, on images made on the spot: no download.

    Example: autola-analyze demo --out reports/demo --open
    """
    from autola_analysis.study.demo import demo_study

    run_and_show(demo_study(), out, machine, overwrite=overwrite, show=show)
