"""``autola-analyze study``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import Anonymous, MachineFlags, Open, OutputFlags, Overwrite, split_commas
from autola_analysis.cli.printing import echo_table
from autola_analysis.cli.summary import run_and_show
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded

if TYPE_CHECKING:
    from autola_analysis.analyses.observation import Reading
    from autola_analysis.study.file import StudyFile


@grouped_options
def study(
    machine: MachineFlags,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.toml", help="Study file: models, data, analyses.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="A,B", help="Kinds of analyses to run, separated by commas. Default: all.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run and about how long it takes; write nothing.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=expanded, help="Report directory. Default: reports/NAME-TIME."),
    ] = None,
    overwrite: Overwrite = False,
    anonymous: Anonymous = False,
    supplement: Annotated[
        bool, typer.Option("--supplement", help="Print the study file of the supplement's figures, to fill in.")
    ] = False,
    show: Open = False,
) -> None:
    """Run all analyses of a study file and write one report with comparison and claims.

    Example: autola-analyze study supplement.toml --dry-run
    """
    if supplement:
        typer.echo(files("autola_analysis.study").joinpath("supplement.toml").read_text(encoding="utf-8"), nl=False)
        return
    if file is None:
        raise OptionError("name a study file; 'autola-analyze study --supplement > supplement.toml' writes one.")
    from autola_analysis.study.file import read_study

    file = expanded(file)
    kinds, content, base = split_commas(only), read_study(file), file.absolute().parent
    if dry_run:
        _echo_plan(content, base, kinds, machine.reading())
        return
    out = out or OutputFlags().directory(file.stem)
    run_and_show(content, out, machine, base=base, only=kinds, overwrite=overwrite, anonymous=anonymous, show=show)


def _echo_plan(file: StudyFile, base: Path, kinds: list[str] | None, reading: Reading) -> None:
    with loading():
        from autola_analysis.study.dry_run import steps_of, total
        from autola_analysis.study.plan import make_plan

    current().leave_to_first()
    plan = make_plan(file, base, kinds, quiet=reading.settings.quiet)
    rows = []
    for model in plan.models:
        spec, classes = model.variant.spec, model.loaded.classes
        network = [spec.backbone, spec.attention, str(spec.num_classes or len(classes or ()))] if spec else [""] * 3
        rows.append([model.variant.name, f"run {model.variant.run}", model.group, *network])
    echo_table(["model", "run", "group", "backbone", "attention", "classes"], rows)
    typer.echo("")
    steps = steps_of(plan, reading)
    echo_table(["step", "about"], [[step.what, _duration(step.seconds)] for step in steps])
    typer.echo(f"\nAbout {_duration(total(steps))} in all, from a probe batch; nothing was written.")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
