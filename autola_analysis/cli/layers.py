"""``autola-analyze layers``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.options import ArchitectureFlags
from autola_analysis.cli.printing import echo_table


@grouped_options
def layers(
    architecture: ArchitectureFlags,
    ckpt: Annotated[str, typer.Option(metavar="FILE", help="Checkpoint file.")],
    all_modules: Annotated[bool, typer.Option("--all", help="Every module, not only stages and blocks.")] = False,
) -> None:
    """Layers of a checkpoint that analyses can be asked for, with what they put out.

    Example: autola-analyze layers --ckpt r50_hoga.pth
    """
    from autola_analysis.inference.layers import stage_names
    from autola_analysis.inference.shapes import layer_outputs
    from autola_analysis.study.command import model_tables
    from autola_analysis.study.models import load_models

    tables = model_tables([ckpt], architecture.values(), architecture.trust_checkpoint)
    (model,) = load_models(tables, Path())
    stages = stage_names(model.variant.model)
    rows = []
    for output in layer_outputs(model.variant.model, model.variant.input_side or 224):
        is_block = output.layer.rpartition(".")[0] in stages
        if all_modules or not stages or output.layer in stages or is_block:
            sign = "non-negative" if output.non_negative else "signed"
            rows.append([output.layer, output.kind, "x".join(map(str, output.shape)), sign])
    echo_table(["layer", "module", "output", "values"], rows)
