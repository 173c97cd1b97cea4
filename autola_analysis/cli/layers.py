"""``autola-analyze layers``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import ArchitectureFlags
from autola_analysis.cli.printing import echo_table

if TYPE_CHECKING:
    from autola_analysis.analyses.variants import Variant


@grouped_options
def layers(
    architecture: ArchitectureFlags,
    ckpt: Annotated[str, typer.Option(metavar="FILE", help="Checkpoint file.")],
    all_modules: Annotated[bool, typer.Option("--all", help="Every module, not only stages and blocks.")] = False,
) -> None:
    """Layers of a checkpoint that analyses can be asked for, with what they put out.

    Example: autola-analyze layers --ckpt r50_hoga.pth
    """
    with loading():
        from autola_analysis.inference.layers import stage_names
        from autola_analysis.inference.shapes import layer_outputs
        from autola_analysis.study.command import model_tables
        from autola_analysis.study.models import load_models

    tables = model_tables([ckpt], architecture.values(), architecture.trust_checkpoint)
    (model,) = load_models(tables, Path())
    stages = stage_names(model.variant.model)
    rows = []
    for output in layer_outputs(model.variant.model, _shape(model.variant), model.title):
        is_block = output.layer.rpartition(".")[0] in stages
        if all_modules or not stages or output.layer in stages or is_block:
            sign = "non-negative" if output.non_negative else "signed"
            rows.append([output.layer, output.kind, "x".join(map(str, output.shape)), sign])
    echo_table(["layer", "module", "output", "values"], rows)


def _shape(variant: Variant) -> tuple[int, int, int]:
    """Return the shape of an image for a network: the side that was asked for, else the one that it was made for."""
    from autola_analysis.backbones.stem import IMAGENET_SIDE, input_channels

    asked = variant.geometry.crop or variant.geometry.resize
    recorded = variant.preprocessing.crop if variant.preprocessing else None
    side = asked if isinstance(asked, int) else recorded or variant.input_side or IMAGENET_SIDE
    return input_channels(variant.model), side, side
