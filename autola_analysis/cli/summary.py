"""What a command says at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autola_analysis.cli.printing import echo_table
from autola_analysis.core.text import interval_text

PLANE_METRICS = ("knn_accuracy", "trustworthiness", "knn_recall", "kl_divergence")

if TYPE_CHECKING:
    from autola_analysis.analyses.saliency.result import SaliencyResult
    from autola_analysis.study.embedding import EmbeddingReport
    from autola_analysis.study.gates import GatesReport
    from autola_analysis.study.run import StudyReport
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
            interval = interval_text(row["ci_low"], row["ci_high"])
            chance = "" if math.isnan(row["null_mean"]) else f"{row['null_mean']:.4f}"
            numbers = [str(row["units"]), str(row["dead"]), f"{row['mean']:.4f}", interval, f"{row['median']:.4f}"]
            rows.append([name, accuracy, str(row["layer"]), *numbers, chance])
            name = accuracy = ""
    echo_table(
        ["model", "top-1", "layer", "units", "dead", "mean", "95% interval", "median", "chance"],
        rows,
    )
    _echo_end(report.warnings, out)


def echo_saliency(result: SaliencyResult, out: Path) -> None:
    """Print where the maps lie, warnings, and where the page is."""
    rows = []
    for row in result.metrics[result.metrics["subset"] == "all"].to_dict("records"):
        interval = interval_text(row["ci_low"], row["ci_high"])
        place = [str(row[column]) for column in ("model", "method", "layer", "metric")]
        rows.append([*place, str(row["images"]), f"{row['mean']:.4f}", interval])
    if rows:
        echo_table(["model", "method", "layer", "metric", "images", "mean", "95% interval"], rows)
    _echo_end(result.warnings, out)


def echo_embeddings(report: EmbeddingReport, out: Path) -> None:
    """Print accuracies and quality, one row per embedding, warnings, and where the page is."""
    embeddings = report.embeddings
    several_seeds = len({embedding.seed for embedding in embeddings}) > 1
    rows = []
    for embedding in embeddings:
        name = embedding.model if embedding.run == "1" else f"{embedding.model} run {embedding.run}"
        top1 = embedding.accuracy.top1 if embedding.accuracy else None
        quality = {(row["space"], row["metric"]): row for row in embedding.quality.to_dict("records")}
        knn = quality["features", "knn_accuracy"]
        numbers = [
            f"{knn['value']:.4f}",
            f"[{knn['ci_low']:.4f}, {knn['ci_high']:.4f}]",
            f"{quality['features', 'silhouette']['value']:.4f}",
            *(f"{quality['plane', metric]['value']:.4f}" for metric in PLANE_METRICS),
        ]
        accuracy = "not measured" if top1 is None else f"{100 * top1:.2f} %"
        seed = [str(embedding.seed)] if several_seeds else []
        rows.append([name, accuracy, embedding.layer, *seed, *numbers])
    echo_table(
        [
            "model", "top-1", "layer", *(["seed"] if several_seeds else []), "kNN", "95% interval", "silhouette",
            "plane kNN", "trust", "recall", "KL",
        ],
        rows,
    )  # fmt: skip
    _echo_end(report.warnings, out)


def echo_gates(report: GatesReport, out: Path) -> None:
    """Print the mean of every kind of gate, warnings, and where the page is."""
    rows = []
    for result in report.results:
        name = result.model if result.run == "1" else f"{result.model} run {result.run}"
        for gate, units in result.gates.groupby("gate", sort=False):
            columns = ("mean", "std", "saturated_low", "saturated_high", "class_variation")
            rows.append([name, str(gate), str(len(units)), *(f"{units[column].mean():.4f}" for column in columns)])
    echo_table(["model", "gate", "units", "mean", "std", "near 0", "near 1", "class variation"], rows)
    _echo_end(report.warnings, out)


def echo_study(report: StudyReport) -> None:
    """Print the paper's claims with intervals and verdicts, warnings, and where the page is."""
    rows = []
    for row in report.results.claims.to_dict("records"):
        interval = interval_text(row["ci_low"], row["ci_high"], "+")
        difference = f"{row['model']} - {row['against']}"
        place = [str(row["claim"]), str(row["layer"]), difference]
        rows.append([*place, f"{row['value']:+.4f}", interval, str(row["scope"]), str(row["verdict"])])
    if rows:
        echo_table(["claim", "layer", "difference", "value", "95% interval", "scope", "verdict"], rows)
    _echo_end(report.warnings, report.out)


def _echo_end(warnings: Sequence[str], out: Path) -> None:
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"\nReport: {out / 'index.html'}")
