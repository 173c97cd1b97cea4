"""``autola-analyze train``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import BadBoxesOption, Device, ImagesRoot, NoProgress, Quiet, Seed, overrides
from autola_analysis.core.bad_boxes import checked_bad_boxes
from autola_analysis.core.errors import OptionError
from autola_analysis.core.extras import need_lightning
from autola_analysis.core.files import expanded


@dataclass(frozen=True)
class TrainerFlags:
    """How the machine is used."""

    device: Device = "auto"
    precision: Annotated[str, typer.Option(help="As pytorch-lightning names it, e.g. bf16-mixed.")] = "32-true"
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode images; 0 decodes in this one.")] = 0
    half: Annotated[bool, typer.Option("--half", help="Store the weights in half precision.")] = False
    no_progress: NoProgress = False
    quiet: Quiet = False


@dataclass(frozen=True)
class NetworkFlags:
    """What is trained."""

    attention: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE.py:CLASS", help="See 'autola-analyze list attentions'; or an own attention module."
        ),
    ] = "none"
    genotype: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file with the wiring of --attention hoga.")
    ] = None
    attention_option: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="Option of the attention module, e.g. reduction=8. Repeat for more."),
    ] = field(default_factory=list)
    backbone: Annotated[str | None, typer.Option(help="Default: the recipe's.")] = None
    override: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the recipe. Repeat for more.")
    ] = field(default_factory=list)
    match_parameters: Annotated[
        str | None,
        typer.Option(
            metavar="N|NAME",
            help="Choose the width by the number of parameters, of the whole network: the nearest to N, or to that of "
            "the backbone with the attention NAME at the recipe's width.",
        ),
    ] = None
    seed: Seed = 0

    def wanted_parameters(self) -> int | str | None:
        """Return the number of parameters to match, or the name of the attention whose number is matched."""
        text = self.match_parameters
        return int(text) if text is not None and text.isdecimal() else text

    def attention_options(self) -> dict[str, Any]:
        """Return the options of the attention module by name, the genotype among them."""
        from autola_analysis.training.attention import GENOTYPE, parse_option

        options = dict(parse_option(text) for text in self.attention_option)
        if GENOTYPE in options:
            raise OptionError("a genotype is given by its file, --genotype FILE.json.")
        return options if self.genotype is None else {**options, GENOTYPE: self.genotype}

    def label(self) -> str:
        """Return what tells this attention from others in the name of a file."""
        from autola_analysis.attention.registry import ATTENTIONS

        name = self.attention if self.attention in ATTENTIONS else self.attention.rpartition(":")[2]
        wiring = [] if self.genotype is None else [self.genotype.stem]
        size = [] if self.match_parameters is None else [f"as-{self.match_parameters}"]
        return re.sub(r"[^\w.=-]", "_", "-".join([name, *wiring, *self.attention_option, *size]))


@grouped_options
def train(
    network: NetworkFlags,
    machine: TrainerFlags,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="See 'autola-analyze list recipes'.")],
    data: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Where the images are. Default: the recipe's source.")
    ] = None,
    images_root: ImagesRoot = None,
    bad_boxes: BadBoxesOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=expanded, help="Checkpoint to write (.safetensors).")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=expanded,
            help="Begin a detector with the backbone of this classifier, which has the same attention.",
        ),
    ] = None,
    keep_at_accuracy: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            help="Keep the first epoch with this accuracy on the test split too, e.g. 90, as NAME.at90.safetensors.",
        ),
    ] = None,
) -> None:
    """Train a network with an attention module. Killed and started again, it goes on after its last epoch.

    A detector, in minutes: autola-analyze train scenes-ssd --attention hoga

    Example: autola-analyze train cifar10 --attention hoga --backbone resnet56 --data cifar10:/data --set cutout=16
    """
    need_lightning("training")
    with loading():
        from autola_analysis.data.open_objects import CocoOptions
        from autola_analysis.training.keeping import kept_path
        from autola_analysis.training.recipes import RECIPES
        from autola_analysis.training.settings import Machine, Training
        from autola_analysis.training.trainer import run_training

    training = Training(
        recipe_name=recipe,
        recipe=RECIPES.get(recipe).overridden(overrides(network.override)),
        attention=network.attention,
        backbone=network.backbone,
        seed=network.seed,
        attention_options=network.attention_options(),
        data=data,
        match_parameters=network.wanted_parameters(),
        keep_at_accuracy=keep_at_accuracy,
        init=init,
        coco=CocoOptions(images_root, checked_bad_boxes(bad_boxes)),
    )
    backbone = network.backbone or training.recipe.backbone
    out = expanded(out) if out else Path(f"{backbone}_{network.label()}_{recipe}_seed{network.seed}.safetensors")
    silent = machine.quiet or machine.no_progress
    metrics = run_training(
        training, out, Machine(machine.device, machine.precision, machine.workers, silent, machine.half)
    )
    if machine.quiet:
        return
    typer.echo(f"{out}: {training.recipe.outcome(metrics)}")
    if keep_at_accuracy is not None and kept_path(out, keep_at_accuracy).exists():
        typer.echo(f"{kept_path(out, keep_at_accuracy)}: the first epoch with {keep_at_accuracy:g} % or more")
