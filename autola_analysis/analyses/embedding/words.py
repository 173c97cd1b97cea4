"""Captions and the paragraph for the methods of a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autola_analysis.analyses.embedding.figure import first_of_seeds
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.probe import FOLDS
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.object_items import JOINTS
from autola_analysis.core.text import counted
from autola_analysis.report.style import CLASS_COLOURS

METHOD_NAMES = {
    "barnes-hut": "Barnes-Hut t-SNE",
    "fft": "Interpolation-based t-SNE",
    "exact": "Exact t-SNE",
    "pca": "Principal components",
}


def chosen_images(data: str, images: int, options: Any) -> str:
    """Return which images were looked at: the data, and how they were drawn where not all of them were.

    Args:
        data: What the images are.
        images: Number of them, or of their objects.
        options: Of the analysis; None where they are not known.
    """
    drawn = isinstance(options, EmbeddingOptions) and images in (options.limit, options.limit_objects)
    return f"{data}; drawn at random, every class in proportion, seed {options.seed}" if drawn else data


def embedding_caption(embeddings: Sequence[Embedding], data: str, align: bool = False, labelled: bool = True) -> str:
    """Say what Figure 2 shows, of how many images, with which settings; `labelled` where classes stand in it."""
    first = embeddings[0]
    params = first.params
    models = ", ".join(dict.fromkeys(each.model for each in embeddings))
    layers = ", ".join(dict.fromkeys(each.layer for each in embeddings))
    classes = len(np.unique(first.labels))
    marks = ", labelled at its median" if labelled else ""
    if classes > len(CLASS_COLOURS):
        marks = ", by its place in the first panel"
    parts = [
        f"{METHOD_NAMES[params['method']]} of the features ({_pooled(first)} of {layers}) of "
        f"{_points(first, classes)} ({data}), for {models}; the same {first.items} in every panel, a colour per class"
        f"{marks}. {_shown_runs(embeddings)}"
    ]
    if params["method"] != "pca":
        parts.append(
            f"Perplexity {params['perplexity']:.4g}, {_metric(params)} distances, exact neighbours, theta "
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
        f"{_leaving_out(first).capitalize()} accuracy of the {first.params['quality_k']} nearest neighbours in the "
        "feature space "
        f"({', '.join(dict.fromkeys(each.layer for each in embeddings))}, {_metric(first.params)} distances) of "
        f"{_points(first)} ({data}); a dot per training run, lines: 95% bootstrap intervals over images, "
        f"which count that an {first.items.removesuffix('s')} is a neighbour of others too."
    )


def _metric(params: Mapping[str, Any]) -> str:
    return {"euclidean": "Euclidean"}.get(params["metric"], str(params["metric"]))


def _points(embedding: Embedding, classes: int | None = None) -> str:
    """Say of how many images, objects or joints the features are, and of how many classes."""
    text = f"{len(embedding.labels):,} {embedding.items}"
    text += "" if classes is None else f" of {classes} classes"
    return f"{text} in {counted(len(set(embedding.images)), 'image')}" if embedding.images else text


def _pooled(embedding: Embedding) -> str:
    if embedding.images:
        return "values at annotated joints" if embedding.items == JOINTS else "means over annotated boxes"
    return "spatial means" if embedding.params["pool"] == "mean" else "flattened maps"


def _leaving_out(embedding: Embedding) -> str:
    return "leave-one-image-out" if embedding.images else "leave-one-out"


def _shown_runs(embeddings: Sequence[Embedding]) -> str:
    """Say which training run of every network is drawn."""
    runs = {each.model: each.run for each in first_of_seeds(embeddings)}
    if len(set(runs.values())) == 1:
        return f"Training run {next(iter(runs.values()))} of every network is shown."
    return f"The training runs shown are {', '.join(f'{run} of {model}' for model, run in runs.items())}."


def embedding_methods(embeddings: Sequence[Embedding]) -> str:
    """Say how features were embedded and rated."""
    first = embeddings[0]
    params = first.params
    layers = ", ".join(dict.fromkeys(each.layer for each in embeddings))
    text = (
        f"The features ({_pooled(first)} of {layers}) of {_points(first)} were "
        f"{_separation_method(first) if first.labelled else ''}"
    )
    return text + f"laid out in the plane by {_layout_method(params)}. {_faithfulness_of_plane(params)}"


def _separation_method(embedding: Embedding) -> str:
    """Say how the separation of classes was rated."""
    params, by_image = embedding.params, bool(embedding.images)
    folded = f" of images with their {embedding.items} [@sechidis2011]" if by_image else ""
    probe = (
        f", and by a linear probe [@alain2017] (logistic regression on standardised features, {FOLDS} class-stratified "
        f"folds{folded}, accuracy on the fold left out)"
    )
    return (
        f"rated by the {_leaving_out(embedding)} accuracy of the {params['quality_k']} nearest neighbours "
        f"({_metric(params)} distances; of classes with equally many votes the first wins) and the silhouette "
        f"[@rousseeuw1987]{probe if params['probe'] else ''}, with 95% bootstrap intervals over images [@efron1993]"
        f"{f', whose {embedding.items} are drawn together and are no neighbours of each other' if by_image else ''}. "
        f"Since {embedding.items} are each other's neighbours, intervals of the silhouette are made of its "
        "infinitesimal-jackknife influence values [@efron1982], those of nearest-neighbour accuracy of influence "
        f"values that are averaged over random halves of the {embedding.items} [@efron2014; @wager2014]. The features "
        "were "
    )


def _layout_method(params: Mapping[str, Any]) -> str:
    if params["method"] == "pca":
        return "their first two principal components"
    name = {
        "barnes-hut": "Barnes-Hut t-SNE [@vandermaaten2008] [@vandermaaten2013]",
        "fft": "interpolation-based t-SNE [@vandermaaten2008] [@linderman2019]",
        "exact": "t-SNE with gradients summed over all pairs [@vandermaaten2008]",
    }[params["method"]]
    return (
        f"{name} as implemented in openTSNE [@policar2024] (perplexity "
        f"{params['perplexity']:.4g}, exact neighbours, theta {params['theta']}, exaggeration "
        f"{params['early_exaggeration']} for {params['early_iterations']} iterations, then {params['iterations']}, "
        f"started from the principal components, seed {params['seed']})"
    )


def _faithfulness_of_plane(params: Mapping[str, Any]) -> str:
    text = "How faithful the plane is we rate by trustworthiness [@venna2001] and the recall of nearest neighbours"
    if params["method"] == "pca":
        return f"{text}."
    summed = "exactly" if params["kl_divergence"] == "exact" else "by Barnes-Hut sums"
    return f"{text}; the KL divergence is summed {summed} and is not comparable between networks."
