"""``autola-analyze demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli import options
from autola_analysis.cli.summary import echo_selectivity


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Report directory.")] = Path("reports/demo"),
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Class selectivity of networks that ship with the package, on images made on the spot: no download.

    Example: autola-analyze demo --out reports/demo
    """
    from autola_analysis.study.demo import demo_request
    from autola_analysis.study.selectivity import selectivity_report

    report = selectivity_report(demo_request(out, device, overwrite, quiet))
    if not quiet:
        echo_selectivity(report, out)
