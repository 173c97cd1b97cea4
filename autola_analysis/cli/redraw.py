"""``autola-analyze redraw``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import NoProgress, Quiet
from autola_analysis.core.files import expanded


def redraw(
    out: Annotated[Path, typer.Argument(metavar="OUT", parser=expanded, help="Report directory.")],
    width: Annotated[
        str | None,
        typer.Option(metavar="neurips|cvpr|INCHES", help="Width of the figures. Default: as they were drawn."),
    ] = None,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
) -> None:
    """Draw figures and page of a report again, from its tables and arrays alone.

    Example: autola-analyze redraw reports/demo --width cvpr
    """
    out, silent = expanded(out), quiet or no_progress
    with loading("matplotlib and the analyses", quiet=silent):
        from autola_analysis.study.redraw import redraw as draw_again

    draw_again(out, width, silent)
    if not quiet:
        typer.echo(f"Report: {out / 'index.html'}")
