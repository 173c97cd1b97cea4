"""Running the study of a command, and what it prints at its end."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import MachineFlags
from autola_analysis.cli.printing import WIDTH, echo_table
from autola_analysis.core.text import printable

if TYPE_CHECKING:
    from autola_analysis.study.file import StudyFile
    from autola_analysis.study.run import StudyReport


def run_and_show(
    study: StudyFile,
    out: Path,
    machine: MachineFlags,
    *,
    base: Path | None = None,
    only: list[str] | None = None,
    overwrite: bool = False,
    anonymous: bool = False,
    show: bool = False,
) -> None:
    """Run a study, print its summary, and open its page in a browser.

    The study has been checked by now; only from here on the libraries that take seconds to import are needed.

    Args:
        study: What to run.
        out: Report directory.
        machine: How the machine is used.
        base: Directory that relative paths are relative to; None takes the current one.
        only: Kinds of analyses to run; None runs all.
        overwrite: Whether an earlier report at `out` is replaced.
        anonymous: Whether paths, host and user are left out of everything written.
        show: Whether to open the page.
    """
    with loading("PyTorch and the analyses", quiet=machine.silent):
        from autola_analysis.study.run import run_study

        reading = machine.reading()
    report = run_study(study, out, reading, base=base, only=only, overwrite=overwrite, anonymous=anonymous)
    if not machine.quiet:
        echo_study(report)
    if show:
        typer.launch((report.out / "index.html").absolute().as_uri())


def echo_study(report: StudyReport) -> None:
    """Print what a single analysis found, or the claims of several; then warnings, and where the page is."""
    if len(report.plan.analyses) == 1:
        (planned,) = report.plan.analyses
        lines = planned.analysis.lines(report.results.of[planned.name])
        if lines is not None and lines.rows:
            echo_table(lines.header, lines.rows)
    else:
        _echo_claims(report)
    _echo_wirings(report)
    for line in report.preprocessing:
        typer.echo(f"images: {line}")
    for warning in report.warnings:
        typer.echo(f"warning: {printable(warning)}", err=True)
    typer.echo(f"\nReport: {report.out / 'index.html'}")


def _echo_wirings(report: StudyReport) -> None:
    """Print what the verdict on searched and random wirings says."""
    from autola_analysis.study.comparison.readings import wiring_verdicts

    for sentence in wiring_verdicts(report.results.comparison.claims, report.results.searched):
        typer.echo(f"\n{textwrap.fill(sentence, WIDTH)}")


def _echo_claims(report: StudyReport) -> None:
    """Print a row per claim, which fits 80 columns, and the sentence that sums them up."""
    from autola_analysis.study.comparison.headline import headline
    from autola_analysis.study.comparison.verdicts import claimed_directions, verdict_text

    claims = report.results.comparison.claims
    if claims.empty:
        return
    rows, directions = [], claimed_directions()
    for (_, name), of_claim in claims.groupby(["model", "claim"], sort=False):
        first, values = of_claim.iloc[0], of_claim["value"]
        lowest, highest = f"{values.min():+.4f}", f"{values.max():+.4f}"
        differences = lowest if len(of_claim) == 1 else f"{lowest} to {highest}"
        verdict = verdict_text(str(first["verdict"]), directions.get(str(name)), float(first["margin"]))
        rows.append([str(name), str(first["layer"]), differences, verdict])
    echo_table(["claim", "layer", "differences", "verdict"], rows)
    typer.echo(f"\n{textwrap.fill(headline(claims), WIDTH)}")
