"""``autola-analyze inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli import options
from autola_analysis.cli.loading import loading


def inspect(
    file: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Checkpoint files.")] = None,
    ckpt: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]PATH", help="The same, as other commands take it. Repeat for more."),
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="KEY", help="Which of several sets of weights in it.")] = None,
    trust_checkpoint: options.Trust = False,
) -> None:
    """What is in a checkpoint file, which network it is, and why we think so.

    Example: autola-analyze inspect r50_hoga.pth
    """
    with loading():
        from autola_analysis.checkpoints import inspect_checkpoint
    from autola_analysis.core.errors import OptionError
    from autola_analysis.study.command import split_named_path

    files = [*(file or ()), *(split_named_path(text)[1] for text in ckpt or ())]
    if not files:
        raise OptionError("no checkpoint was given; use FILE or --ckpt PATH.")
    reports = [inspect_checkpoint(each, weights=weights, trust=trust_checkpoint).to_text() for each in files]
    typer.echo("\n\n".join(reports))
