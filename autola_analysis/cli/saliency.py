"""``autola-analyze saliency``."""

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
    OutputFlags,
    asked,
    split_commas,
)
from autola_analysis.cli.summary import echo_saliency


@grouped_options
def saliency(
    checkpoints: CheckpointFlags,
    images: ImageFlags,
    architecture: ArchitectureFlags,
    machine: MachineFlags,
    output: OutputFlags,
    paths: Annotated[
        list[Path] | None,
        typer.Option("--images", metavar="PATH", help="Image file or folder, instead of --data. Repeat for more."),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="A,B", help="Methods, separated by commas; see 'autola-analyze list methods'.")
    ] = "grad-cam,guided-backprop",
    layer: Annotated[
        str | None, typer.Option(metavar="A[,B]", help="Layers, separated by commas. Default: the last stage.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="label|predicted|N",
            help="Class that all networks explain. Default: the label where there is one, "
            "else what the first network predicts.",
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=1, metavar="N", help="Images in the figure.")] = 6,
    scale: Annotated[
        str, typer.Option(metavar="own|shared", help="Divide maps by their own maximum or the variants' largest.")
    ] = "own",
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Boxes of the objects: COCO-style JSON, or VOC or ImageNet XML files."),
    ] = None,
    faithfulness: Annotated[
        bool, typer.Option("--faithfulness", help="Measure insertion and deletion, 34 forwards per map.")
    ] = False,
    sanity: Annotated[
        int, typer.Option(min=0, metavar="N", help="Images for the sanity check by random weights; 0 leaves it out.")
    ] = 0,
    plain_gates: Annotated[
        bool, typer.Option("--plain-gates", help="Leave ReLUs inside attention gates out of guided backpropagation.")
    ] = False,
) -> None:
    """Where in an image the networks look: Grad-CAM and guided backpropagation, with numbers (Figure 3).

    Example: autola-analyze saliency --ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --images dog.jpg --images cat.jpg
    """
    from autola_analysis.analyses.saliency.measure import SaliencyOptions
    from autola_analysis.study.saliency import Explaining, SaliencyRequest, saliency_report

    options = SaliencyOptions(
        methods=split_commas(method) or [],
        layers=split_commas(layer),
        target=int(target) if target is not None and target.lstrip("-").isdecimal() else target,
        guide_gates=not plain_gates,
        faithfulness=faithfulness,
        seed=images.seed,
    )
    chosen: Any = scale  # checked with everything else before the work begins
    request = SaliencyRequest(
        **asked("saliency", checkpoints, architecture, images, machine, output),
        images=paths or (),
        explaining=Explaining(options, boxes, show, sanity, images.seed),
        scale=chosen,
    )
    result = saliency_report(request)
    if not machine.quiet:
        echo_saliency(result, request.out)
