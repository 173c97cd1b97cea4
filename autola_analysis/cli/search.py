"""``autola-analyze search``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import Device, NoProgress, Quiet, Seed, overrides
from autola_analysis.core.errors import OptionError
from autola_analysis.core.extras import need_lightning
from autola_analysis.core.files import expanded


@dataclass(frozen=True)
class SearchMachineFlags:
    """How the machine is used."""

    device: Device = "auto"
    precision: Annotated[str, typer.Option(metavar="32-true|bf16-mixed", help="bf16-mixed with --order 1.")] = "32-true"
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode images; 0 decodes in this one.")] = 0
    no_progress: NoProgress = False
    quiet: Quiet = False


@dataclass(frozen=True)
class SearchFlags:
    """What is searched, and how."""

    order: Annotated[
        int,
        typer.Option(
            metavar="1|2", help="1: alpha's gradient at the weights as they are; 2: behind the step they are to take."
        ),
    ] = 1
    hessian: Annotated[
        str | None,
        typer.Option(
            metavar="exact|differences|none",
            help="Of --order 2: its second term by differentiating twice, by finite differences, or left out. "
            "Default: exact.",
        ),
    ] = None
    backbone: Annotated[str | None, typer.Option(help="Default: the recipe's.")] = None
    override: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the recipe. Repeat for more.")
    ] = field(default_factory=list)
    seed: Seed = 0


@grouped_options
def search(
    what: SearchFlags,
    machine: SearchMachineFlags,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="See 'autola-analyze list search-recipes'.")],
    data: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Where the images are. Default: the recipe's source.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", parser=expanded, help="Folder to write.")] = None,
) -> None:
    """Search for a wiring of HOGA. Killed and started again, it goes on after its last epoch.

    Example: autola-analyze search cifar10 --order 2 --data cifar10:/data --seed 1
    """
    need_lightning("a search")
    with loading():
        from autola_analysis.search.recipes import SEARCH_RECIPES
        from autola_analysis.search.result import GENOTYPE_FILE
        from autola_analysis.search.run import Search, run_search
        from autola_analysis.training.settings import Machine

    if what.hessian is not None and what.order != 2:
        raise OptionError("--hessian says how second order is computed; give --order 2 with it, or leave it out.")
    asked = Search(
        recipe,
        SEARCH_RECIPES.get(recipe).overridden(overrides(what.override)),
        what.order,
        what.hessian or "exact",
        what.backbone,
        what.seed,
        data,
    )
    out = expanded(out) if out else Path(f"search_{recipe}_order{what.order}_seed{what.seed}")
    result = run_search(
        asked, out, Machine(machine.device, machine.precision, machine.workers, machine.quiet or machine.no_progress)
    )
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if machine.quiet:
        return
    for node, edges in enumerate(result.genotype.nodes(), start=1):
        read = ", ".join(f"{operation} of {f's{source}' if source else f'x{node}'}" for operation, source in edges)
        typer.echo(f"s{node} = {read}")
    typer.echo(f"{out / GENOTYPE_FILE}: {int(result.edges['decided'].sum())} of {len(result.edges)} edges decided")
