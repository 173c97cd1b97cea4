"""The embedding part of a report: quality table, positions, Figure 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from autola_analysis.analyses.embedding.result import Embedding, quality_of, seed_spread
from autola_analysis.figures.embedding import plot_embedding, plot_knn_accuracy
from autola_analysis.figures.style import CLASS_COLOURS
from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.report.arrays import read_arrays, write_arrays
from autola_analysis.report.figures import write_figure
from autola_analysis.report.methods import embedding_paragraph
from autola_analysis.report.panels import embedding_panels
from autola_analysis.report.section import Section
from autola_analysis.report.tables import has_table, read_table, rows_of, side_by_side, write_table
from autola_analysis.report.thumbnails import Thumbnails

METHOD_NAMES = {"barnes-hut": "Barnes-Hut t-SNE", "fft": "Interpolation-based t-SNE", "pca": "Principal components"}
READING = (
    "How well features separate the classes is measured in the feature space: leave-one-out accuracy of the k nearest "
    "neighbours, and silhouette. Numbers of the plane say how faithful the picture is: trustworthiness and k-nearest-"
    "neighbour recall compare its neighbourhoods with those of the features.",
    "Intervals are 95% bootstrap intervals over images; they say nothing about another training run. The KL "
    "divergence depends on the features that it is computed for: compare it between embeddings of the same features, "
    "never between networks. Where several seeds were run, their spread describes the embedding algorithm and is no "
    "evidence about networks.",
)
LIMITS = (
    "Distances between clusters, their sizes and their densities in a t-SNE plane carry no meaning; another seed of "
    "the embedding places them otherwise.",
)


def write_embeddings(directory: Path, embeddings: Sequence[Embedding]) -> None:
    """Write ``tables/embedding_*.csv`` and ``arrays/embeddings.npz``."""
    quality = quality_of(embeddings)
    write_table(directory, "embedding_quality", quality)
    spread = seed_spread(quality)
    if len(spread):
        write_table(directory, "embedding_seeds", spread)
    first = embeddings[0]
    arrays: dict[str, Any] = {
        "labels": first.labels,
        "ids": np.array(first.ids),
        "classes": np.array(first.classes),
        **{_key(each.model, each.run, each.layer, each.seed): each.coords for each in embeddings},
    }
    about = [
        {
            "model": each.model,
            "run": each.run,
            "layer": each.layer,
            "backbone": each.backbone,
            "params": dict(each.params),
            "kl_divergence": None if math.isnan(each.kl_divergence) else each.kl_divergence,
            "accuracy": asdict(each.accuracy) if each.accuracy else None,
        }
        for each in embeddings
    ]
    write_arrays(directory, "embeddings", arrays, about)


def read_embeddings(directory: Path) -> list[Embedding]:
    """Read what `write_embeddings` wrote, in order; warnings are in ``run.json``.

    Raises:
        ReportError: If something is missing.
    """
    quality = read_table(directory, "embedding_quality")
    arrays, about = read_arrays(directory, "embeddings")
    labels, ids, classes = (arrays[key] for key in ("labels", "ids", "classes"))
    embeddings = []
    for each in about:
        names = {key: each[key] for key in ("model", "run", "layer")}
        seed = each["params"]["seed"]
        rows = rows_of(quality, **names)
        embeddings.append(
            Embedding(
                coords=arrays[_key(**names, seed=seed)],
                labels=labels,
                kl_divergence=math.nan if each["kl_divergence"] is None else each["kl_divergence"],
                params=each["params"],
                quality=rows[(rows["space"] == "features") | (rows["seed"] == seed)].reset_index(drop=True),
                ids=tuple(ids.tolist()),
                classes=tuple(classes.tolist()),
                backbone=each["backbone"],
                accuracy=Accuracy(**each["accuracy"]) if each["accuracy"] else None,
                **names,
            )
        )
    return embeddings


def embedding_section(
    directory: Path,
    embeddings: Sequence[Embedding],
    data: str,
    width: str | float = "neurips",
    thumbnails: Thumbnails | None = None,
    align: bool = False,
) -> Section:
    """Draw ``figures/embedding.*`` and ``figures/knn_accuracy.*`` and return the section.

    Args:
        directory: The report, with its table of quality.
        embeddings: In the order they are shown.
        data: What the networks were run on, for captions ("cifar10, test split").
        width: Of the figure.
        thumbnails: Small images for the panels of the page.
        align: Whether panels are aligned to the first.
    """
    quality = read_table(directory, "embedding_quality")
    features = rows_of(quality, space="features")
    tables = {
        "Quality of the features, with 95% intervals": side_by_side(
            features, ["model", "run", "layer"], "metric", "value"
        ),
        "Embedding quality, all numbers": quality,
    }
    if has_table(directory, "embedding_seeds"):
        spread = read_table(directory, "embedding_seeds")
        tables["Spread over seeds of the embedding (no evidence about networks)"] = spread
    drawn = [each for each in embeddings if each.drawn]
    caption, of_neighbours = embedding_caption(drawn, data, align), knn_caption(embeddings, data)
    write_figure(plot_embedding(drawn, width, align), directory, "embedding", caption)
    write_figure(plot_knn_accuracy(embeddings), directory, "knn_accuracy", of_neighbours)
    on_page = embedding_caption(drawn, data, align, labelled=False)
    body, scripts = embedding_panels(drawn, thumbnails or Thumbnails(), on_page, align)
    return Section(
        "embedding",
        "How the features separate the classes",
        body=body,
        figures={"knn_accuracy": of_neighbours},
        tables=tables,
        methods=embedding_paragraph(drawn),
        reading=READING,
        scripts=scripts,
        limits=LIMITS,
    )


def embedding_caption(embeddings: Sequence[Embedding], data: str, align: bool = False, labelled: bool = True) -> str:
    """Say what Figure 2 shows, of how many images, with which settings; `labelled` where classes stand in it."""
    first = embeddings[0]
    params = first.params
    models = ", ".join(dict.fromkeys(each.model for each in embeddings))
    layers = ", ".join(dict.fromkeys(each.layer for each in embeddings))
    pooled = "spatial means of" if params["pool"] == "mean" else "flattened maps of"
    classes = len(np.unique(first.labels))
    marks = ", labelled at its median" if labelled else ""
    if classes > len(CLASS_COLOURS):
        marks = ", by its place in the first panel"
    parts = [
        f"{METHOD_NAMES[params['method']]} of the features ({pooled} {layers}) of {len(first.labels):,} images of "
        f"{classes} classes ({data}), for {models}; the same images in every panel, a colour per class"
        f"{marks}."
    ]
    if params["method"] != "pca":
        parts.append(
            f"Perplexity {params['perplexity']:.4g}, {params['metric']} distances, exact neighbours, theta "
            f"{params['theta']}, exaggeration {params['early_exaggeration']} for {params['early_iterations']} "
            f"iterations, then {params['iterations']}; learning rate {params['learning_rate']}, started from the "
            f"principal components, seed {params['seed']}."
        )
    if align and len(embeddings) > 1:
        parts.append("Panels are turned, mirrored and scaled to fit the first (Procrustes), for display only.")
    return " ".join(parts)


def knn_caption(embeddings: Sequence[Embedding], data: str) -> str:
    """Say what the figure of the nearest-neighbour accuracy shows."""
    first = embeddings[0]
    return (
        f"Leave-one-out accuracy of the {first.params['quality_k']} nearest neighbours in the feature space "
        f"({', '.join(dict.fromkeys(each.layer for each in embeddings))}, {first.params['metric']} distances) of "
        f"{len(first.labels):,} images ({data}); lines: 95% bootstrap intervals over images."
    )


def _key(model: str, run: str, layer: str, seed: int) -> str:
    return f"{model}/{run}/{layer}/{seed}"
