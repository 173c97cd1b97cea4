"""The embedding part of a report: quality table, Figure 2, positions, the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autola_analysis.analyses.embedding.result import Embedding, quality_of, seed_spread
from autola_analysis.figures.embedding import plot_embedding, plot_knn_accuracy
from autola_analysis.figures.style import CLASS_COLOURS
from autola_analysis.report.figures import write_figure
from autola_analysis.report.page import write_page

METHOD_NAMES = {"barnes-hut": "Barnes-Hut t-SNE", "fft": "Interpolation-based t-SNE", "pca": "Principal components"}
READING = (
    "How well features separate the classes is measured in the feature space: leave-one-out accuracy of the k nearest "
    "neighbours, and silhouette. Numbers of the plane say how faithful the picture is: trustworthiness and k-nearest-"
    "neighbour recall compare its neighbourhoods with those of the features. Distances between clusters, their sizes "
    "and their densities in a t-SNE plane carry no meaning.",
    "Intervals are 95% bootstrap intervals over images; they say nothing about another training run. The KL "
    "divergence depends on the features that it is computed for: compare it between embeddings of the same features, "
    "never between networks. Where several seeds were run, their spread describes the embedding algorithm and is no "
    "evidence about networks.",
)


def write_embeddings(
    directory: Path,
    embeddings: Sequence[Embedding],
    accuracy: pd.DataFrame,
    data: str,
    warnings: Sequence[str] = (),
    width: str | float = "neurips",
    align: bool = False,
) -> None:
    """Write ``tables/``, ``figures/embedding.*``, ``figures/knn_accuracy.*``, ``arrays/`` and ``index.html``.

    Args:
        directory: The report under construction.
        embeddings: In the order they are shown.
        accuracy: Table of accuracy and cost.
        data: What the networks were run on, for caption and page ("cifar10, test").
        warnings: Shown at the top of the page.
        width: Of the figure.
        align: Whether panels are aligned to the first.
    """
    quality = quality_of(embeddings)
    spread = seed_spread(quality)
    tables = directory / "tables"
    tables.mkdir()
    quality.to_csv(tables / "embedding_quality.csv", index=False)
    accuracy.to_csv(tables / "accuracy.csv", index=False)
    shown = {"Embedding quality": quality, "Accuracy and cost": accuracy}
    if len(spread):
        spread.to_csv(tables / "embedding_seeds.csv", index=False)
        shown["Spread over seeds of the embedding (no evidence about networks)"] = spread
    _write_positions(directory / "arrays", embeddings)
    captions = {"embedding": embedding_caption(embeddings, data, align), "knn_accuracy": knn_caption(embeddings, data)}
    write_figure(plot_embedding(embeddings, width, align), directory, "embedding", captions["embedding"])
    write_figure(plot_knn_accuracy(embeddings), directory, "knn_accuracy", captions["knn_accuracy"])
    write_page(
        directory,
        title="Embedding",
        figures=captions,
        tables=shown,
        reading=READING,
        warnings=warnings,
    )


def embedding_caption(embeddings: Sequence[Embedding], data: str, align: bool = False) -> str:
    """Say what Figure 2 shows, of how many images, with which settings."""
    first = embeddings[0]
    params = first.params
    models = ", ".join(dict.fromkeys(each.model for each in embeddings))
    layers = ", ".join(dict.fromkeys(each.layer for each in embeddings))
    pooled = "spatial means of" if params["pool"] == "mean" else "flattened maps of"
    classes = len(np.unique(first.labels))
    parts = [
        f"{METHOD_NAMES[params['method']]} of the features ({pooled} {layers}) of {len(first.labels):,} images of "
        f"{classes} classes ({data}), for {models}; the same images in every panel, a colour per class"
        + (", labelled at its median." if classes <= len(CLASS_COLOURS) else ", by its place in the first panel.")
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


def _write_positions(folder: Path, embeddings: Sequence[Embedding]) -> None:
    folder.mkdir()
    arrays: dict[str, Any] = {f"{each.model}/{each.run}/{each.layer}/{each.seed}": each.coords for each in embeddings}
    first = embeddings[0]
    np.savez(
        folder / "embeddings.npz",
        labels=first.labels,
        ids=np.array(first.ids),
        classes=np.array(first.classes),
        **arrays,
    )
