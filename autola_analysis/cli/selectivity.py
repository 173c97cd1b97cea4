"""``autola-analyze selectivity``."""

from __future__ import annotations

from typing import Annotated

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.options import (
    ArchitectureFlags,
    CheckpointFlags,
    ImageFlags,
    Layers,
    MachineFlags,
    OutputFlags,
    asked,
    split_commas,
)
from autola_analysis.cli.summary import echo_selectivity


@grouped_options
def selectivity(
    checkpoints: CheckpointFlags,
    images: ImageFlags,
    architecture: ArchitectureFlags,
    machine: MachineFlags,
    output: OutputFlags,
    layers: Layers = None,
    rectify: Annotated[bool, typer.Option("--rectify", help="Set negative activity to zero before averaging.")] = False,
    permutations: Annotated[int, typer.Option(min=0, help="Permutations of the labels for the chance level.")] = 5,
    folds: Annotated[int, typer.Option(min=0, help="Image folds for the jackknife interval.")] = 10,
) -> None:
    """Class selectivity of every unit, per layer and variant (Figure 1 of the supplement).

    Example: autola-analyze selectivity --ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet
    """
    from autola_analysis.analyses.selectivity import SelectivityOptions
    from autola_analysis.study.selectivity import SelectivityRequest, selectivity_report

    request = SelectivityRequest(
        **asked("selectivity", checkpoints, architecture, images, machine, output),
        layers=split_commas(layers),
        options=SelectivityOptions(permutations, folds, images.seed, rectify),
    )
    report = selectivity_report(request)
    if not machine.quiet:
        echo_selectivity(report, request.out)
