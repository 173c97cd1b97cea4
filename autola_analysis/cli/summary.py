"""What a study prints at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from autola_analysis.cli.printing import echo_table

if TYPE_CHECKING:
    from autola_analysis.study.run import StudyReport


def echo_study(report: StudyReport) -> None:
    """Print what a single analysis found, or the claims of several; then warnings, and where the page is."""
    if len(report.plan.analyses) == 1:
        (planned,) = report.plan.analyses
        lines = planned.analysis.lines(report.results.of[planned.name])
        if lines is not None and lines.rows:
            echo_table(lines.header, lines.rows)
    else:
        _echo_claims(report)
    for line in report.preprocessing:
        typer.echo(f"images: {line}")
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"\nReport: {report.out / 'index.html'}")


def _echo_claims(report: StudyReport) -> None:
    """Print a row per claim, which fits 80 columns, and the sentence that sums them up."""
    from autola_analysis.study.comparison.headline import headline

    claims = report.results.comparison.claims
    if claims.empty:
        return
    rows = []
    for (_, name), of_claim in claims.groupby(["model", "claim"], sort=False):
        first, values = of_claim.iloc[0], of_claim["value"]
        lowest, highest = f"{values.min():+.4f}", f"{values.max():+.4f}"
        differences = lowest if len(of_claim) == 1 else f"{lowest} to {highest}"
        rows.append([str(name), str(first["layer"]), differences, str(first["verdict"])])
    echo_table(["claim", "layer", "differences", "verdict"], rows)
    typer.echo(f"\n{headline(claims)}")
