"""What a command says at its end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autola_analysis.cli.printing import echo_table

if TYPE_CHECKING:
    from autola_analysis.study.selectivity import SelectivityReport


def echo_selectivity(report: SelectivityReport, out: Path) -> None:
    """Print the summary table, accuracies, warnings, and where the page is."""
    results = report.results
    several_runs = any(result.run != "1" for result in results)
    rows = []
    for result in results:
        name = f"{result.model} run {result.run}" if several_runs else result.model
        accuracy = "not measured" if result.accuracy.top1 is None else f"{100 * result.accuracy.top1:.2f} %"
        for row in result.summary.to_dict("records"):
            interval = "" if math.isnan(row["ci_low"]) else f"[{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
            chance = "" if math.isnan(row["null_mean"]) else f"{row['null_mean']:.4f}"
            numbers = [str(row["units"]), str(row["dead"]), f"{row['mean']:.4f}", interval, f"{row['median']:.4f}"]
            rows.append([name, accuracy, str(row["layer"]), *numbers, chance])
            name = accuracy = ""
    echo_table(
        ["model", "top-1", "layer", "units", "dead", "mean", "95% interval", "median", "chance"],
        rows,
    )
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"\nReport: {out / 'index.html'}")
