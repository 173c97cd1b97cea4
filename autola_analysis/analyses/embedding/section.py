"""What the page and a paper say of features and their embedding: Figure 2, quality, the paragraph for the methods."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.embedding.figure import plot_embedding, plot_knn_accuracy
from autola_analysis.analyses.embedding.panels import embedding_panels
from autola_analysis.analyses.embedding.result import Embedding, quality_of, sweep_of
from autola_analysis.analyses.embedding.tables import of_features, seed_spread
from autola_analysis.analyses.embedding.words import chosen_images, embedding_caption, embedding_methods, knn_caption
from autola_analysis.analyses.object_items import JOINTS, OBJECTS
from autola_analysis.core.tables import side_by_side
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

READING = (
    "How well features separate the classes is measured in the feature space: by the leave-one-out accuracy of the k "
    "nearest neighbours (of classes with equally many votes the first in order wins), the silhouette, and a linear "
    "probe, which is the accuracy of logistic regression on images that it was not fitted on. Numbers of the plane say "
    "how faithful the picture is: trustworthiness and k-nearest-neighbour recall compare its neighbourhoods with those "
    "of the features.",
    "Intervals are 95% bootstrap intervals over images; they say nothing about another training run. An image is also "
    "a neighbour of others, so intervals and differences of nearest-neighbour accuracies and silhouettes are made of "
    "influence values, which count both. Intervals of the linear probe take the fitted classifiers as given, those of "
    "trustworthiness and recall the neighbours, and are too narrow by what other images would change in these.",
    "The KL divergence depends on the features that it is computed for: compare it between embeddings of the same "
    "features, never between networks. Where several seeds were run, their spread describes the embedding algorithm "
    "and is no evidence about networks.",
)
READING_OBJECTS = (
    "Points are annotated objects: their features are the means of a layer's maps over their boxes, every cell "
    "weighted by the share of the box that lies in it. Objects of the same image are no neighbours of each other where "
    "the separation of classes is measured, since two sheep of one flock would count as success: nearest neighbours, "
    "silhouettes and the linear probe are those of leaving out an image with all its objects. Intervals and "
    "differences are over images.",
)
READING_JOINTS = (
    "Points are annotated joints that show: their features are a layer's maps at their places, bilinear between the "
    "centres of cells, in the crop of their person. Joints of the same image are no neighbours of each other where the "
    "separation of classes is measured, since they are not independent: nearest neighbours, silhouettes and the linear "
    "probe are those of leaving out an image with all its joints. Intervals and differences are over images.",
)
LIMITS = (
    "Distances between clusters, their sizes and their densities in a t-SNE plane carry no meaning; another seed of "
    "the embedding places them otherwise.",
    "The accuracy of nearest neighbours and of the linear probe rises with the number of images, and the silhouette is "
    "too low where classes have few: compare them where images and classes are the same. The intervals say how much "
    "these numbers would vary over as many other images, not how far they are from those of ever more.",
)


def embedding_section(embeddings: Sequence[Embedding], sheet: Sheet) -> Section:
    """Draw ``figures/embedding.*`` and ``figures/knn_accuracy.*`` and return the section.

    Args:
        embeddings: In the order they are shown.
        sheet: What to draw on; its options say whether panels are aligned to the first.
    """
    align = bool(sheet.options and sheet.options.align)
    data = chosen_images(sheet.data, len(embeddings[0].ids), sheet.options)
    drawn = [each for each in embeddings if each.drawn]
    sheet.draw("embedding", plot_embedding(drawn, sheet.width, align), embedding_caption(drawn, data, align))
    on_page = embedding_caption(drawn, data, align, labelled=False)
    body, scripts = embedding_panels(drawn, sheet.thumbnails, on_page, align)
    return Section(
        "embedding",
        "How the features separate the classes",
        body=body,
        figures=sheet.draw("knn_accuracy", plot_knn_accuracy(embeddings), knn_caption(embeddings, data)),
        tables=_tables(embeddings),
        methods=embedding_methods(drawn),
        references=references_beside(__file__),
        reading=(*READING, *{OBJECTS: READING_OBJECTS, JOINTS: READING_JOINTS}.get(embeddings[0].items, ())),
        scripts=scripts,
        limits=LIMITS,
    )


def _tables(embeddings: Sequence[Embedding]) -> dict[str, pd.DataFrame]:
    quality, sweep = quality_of(embeddings).drop(columns="items"), sweep_of(embeddings)
    spread = seed_spread(quality)
    wide = side_by_side(of_features(quality), ["model", "run", "layer"], "metric", "value")
    tables = {"Quality of the features, with 95% intervals": wide, "Embedding quality, all numbers": quality}
    if len(sweep):
        shown = sweep.assign(k="k = " + sweep["k"].astype(str), seed=sweep["seed"].astype("string").fillna(""))
        by_k = side_by_side(shown, ["model", "run", "layer", "space", "seed"], "k", "value")
        tables["Accuracy of the k nearest neighbours, with 95% intervals"] = by_k
    if len(spread):
        tables["Spread over seeds of the embedding (no evidence about networks)"] = spread
    return tables
