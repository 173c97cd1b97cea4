"""``autola-analyze inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli import options


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint file.")],
    weights: Annotated[str | None, typer.Option(metavar="KEY", help="Which of several sets of weights in it.")] = None,
    trust_checkpoint: options.Trust = False,
) -> None:
    """What is in a checkpoint file, which network it is, and why we think so.

    Example: autola-analyze inspect r50_hoga.pth
    """
    from autola_analysis.checkpoints import inspect_checkpoint

    typer.echo(inspect_checkpoint(file, weights=weights, trust=trust_checkpoint).to_text())
