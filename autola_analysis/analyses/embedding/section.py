"""What the page and a paper say of features and their embedding: Figure 2, quality, the paragraph for the methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from autola_analysis.analyses.embedding.figure import plot_embedding, plot_knn_accuracy
from autola_analysis.analyses.embedding.panels import embedding_panels
from autola_analysis.analyses.embedding.result import Embedding, quality_of, seed_spread
from autola_analysis.core.tables import rows_of, side_by_side
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.report.style import CLASS_COLOURS

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


def embedding_section(embeddings: Sequence[Embedding], sheet: Sheet) -> Section:
    """Draw ``figures/embedding.*`` and ``figures/knn_accuracy.*`` and return the section.

    Args:
        embeddings: In the order they are shown.
        sheet: What to draw on; its options say whether panels are aligned to the first.
    """
    align = bool(sheet.options and sheet.options.align)
    drawn = [each for each in embeddings if each.drawn]
    sheet.draw("embedding", plot_embedding(drawn, sheet.width, align), embedding_caption(drawn, sheet.data, align))
    on_page = embedding_caption(drawn, sheet.data, align, labelled=False)
    body, scripts = embedding_panels(drawn, sheet.thumbnails, on_page, align)
    return Section(
        "embedding",
        "How the features separate the classes",
        body=body,
        figures=sheet.draw("knn_accuracy", plot_knn_accuracy(embeddings), knn_caption(embeddings, sheet.data)),
        tables=_tables(embeddings),
        methods=embedding_methods(drawn),
        references=references_beside(__file__),
        reading=READING,
        scripts=scripts,
        limits=LIMITS,
    )


def _tables(embeddings: Sequence[Embedding]) -> dict[str, pd.DataFrame]:
    quality = quality_of(embeddings)
    features, spread = rows_of(quality, space="features"), seed_spread(quality)
    wide = side_by_side(features, ["model", "run", "layer"], "metric", "value")
    tables = {"Quality of the features, with 95% intervals": wide, "Embedding quality, all numbers": quality}
    if len(spread):
        tables["Spread over seeds of the embedding (no evidence about networks)"] = spread
    return tables


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


def embedding_methods(embeddings: Sequence[Embedding]) -> str:
    """Say how features were embedded and rated."""
    first = embeddings[0]
    params = first.params
    pooled = "spatial means" if params["pool"] == "mean" else "flattened maps"
    layers = ", ".join(dict.fromkeys(each.layer for each in embeddings))
    text = (
        f"The features ({pooled} of {layers}) of {len(first.labels):,} images were rated by the leave-one-out accuracy "
        f"of the {params['quality_k']} nearest neighbours ({params['metric']} distances) and the silhouette "
        "[@rousseeuw1987], with 95% bootstrap intervals over images [@efron1993], "
    )
    return text + f"and laid out in the plane by {_layout_method(params)}. {_faithfulness_of_plane()}"


def _layout_method(params: Mapping[str, Any]) -> str:
    if params["method"] == "pca":
        return "their first two principal components"
    approximation = "[@vandermaaten2013]" if params["method"] == "barnes-hut" else "[@linderman2019]"
    name = "Barnes-Hut t-SNE" if params["method"] == "barnes-hut" else "interpolation-based t-SNE"
    return (
        f"{name} [@vandermaaten2008] {approximation} as implemented in openTSNE [@policar2024] (perplexity "
        f"{params['perplexity']:.4g}, exact neighbours, theta {params['theta']}, exaggeration "
        f"{params['early_exaggeration']} for {params['early_iterations']} iterations, then {params['iterations']}, "
        f"started from the principal components, seed {params['seed']})"
    )


def _faithfulness_of_plane() -> str:
    return "How faithful the plane is we rate by trustworthiness [@venna2001] and the recall of nearest neighbours."
