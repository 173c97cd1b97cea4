"""``autola-analyze compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.options import (
    ArchitectureFlags,
    CheckpointFlags,
    ImageFlags,
    MachineFlags,
    Open,
    OutputFlags,
    open_page,
)
from autola_analysis.cli.summary import echo_study


@grouped_options
def compare(
    checkpoints: CheckpointFlags,
    images: ImageFlags,
    architecture: ArchitectureFlags,
    machine: MachineFlags,
    output: OutputFlags,
    candidate: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variant that is compared with every other. Default: the one with HOGA."),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Boxes of the objects: COCO-style JSON, or VOC or ImageNet XML files."),
    ] = None,
    show: Open = False,
) -> None:
    """All analyses of some checkpoints side by side, with statistics and the paper's claims.

    Example: autola-analyze compare --ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet
    """
    from autola_analysis.study.compare import comparison_study
    from autola_analysis.study.run import run_study

    options: dict[str, Any] = {"candidate": candidate, "boxes": boxes, "seed": images.seed, "width": output.width}
    study = comparison_study(
        checkpoints.ckpt, architecture.loading(checkpoints.ckpt), images.options(machine.quiet), **options
    )
    out = output.directory("compare")
    report = run_study(study, out, machine.reading(), overwrite=output.overwrite, anonymous=output.anonymous)
    if not machine.quiet:
        echo_study(report)
    open_page(show, out)
