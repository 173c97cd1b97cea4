"""What a study prints at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from autola_analysis.cli.printing import echo_table
from autola_analysis.core.text import interval_text

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
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"\nReport: {report.out / 'index.html'}")


def _echo_claims(report: StudyReport) -> None:
    rows = []
    for row in report.results.comparison.claims.to_dict("records"):
        interval = interval_text(row["ci_low"], row["ci_high"], "+")
        place = [str(row["claim"]), str(row["layer"]), f"{row['model']} - {row['against']}"]
        rows.append([*place, f"{row['value']:+.4f}", interval, str(row["scope"]), str(row["verdict"])])
    if rows:
        echo_table(["claim", "layer", "difference", "value", "95% interval", "scope", "verdict"], rows)
