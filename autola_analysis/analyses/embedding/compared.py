"""What variants are compared by: how well their features separate the classes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.embedding.claims import KNN_ACCURACY
from autola_analysis.analyses.embedding.quality import PROBE
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.statistics.difference import Statistic, values_per_image

FEATURE_METRICS = (KNN_ACCURACY, "silhouette", PROBE)


def embedding_statistics(embeddings: Sequence[Embedding]) -> tuple[list[Statistic], list[str]]:
    """Return accuracy of the nearest neighbours, silhouette and linear probe in the feature space, per layer.

    Of neighbours and silhouettes an image has its influence value, so that a difference of two networks counts that
    the image also bears on others, in both networks. Objects count image by image: those of one are not independent.

    The second list holds a sentence where the embeddings are not all of the same images.
    """
    first: dict[tuple[str, str, str], Embedding] = {}
    for each in embeddings:  # the feature space is the same for all seeds
        first.setdefault((each.layer, each.model, each.run), each)
    statistics = []
    for layer in dict.fromkeys(each.layer for each in embeddings):
        for metric in FEATURE_METRICS:
            rows = [
                pd.DataFrame({"model": each.model, "run": each.run, "image": images, metric: values})
                for each in first.values()
                if each.layer == layer and ("features", metric) in each.samples
                for images, values in [each.decisive_by_image("features", metric)]
            ]
            if rows:
                values = values_per_image(pd.concat(rows, ignore_index=True), metric)
                statistics.append(Statistic("embedding", layer, metric, values))
    if len({frozenset(each.ids) for each in embeddings}) > 1:
        return statistics, ["features were not all extracted from the same images; only shared images are compared."]
    return statistics, []
