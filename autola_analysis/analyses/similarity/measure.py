"""Measure how similar the layers of networks are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.observation import Observation, Reading
from autola_analysis.analyses.similarity.cka import FEWEST_IMAGES, hsic_by_fold, minibatches
from autola_analysis.analyses.similarity.observer import FeatureObserver
from autola_analysis.analyses.similarity.options import SimilarityOptions
from autola_analysis.analyses.similarity.result import SimilarityResult
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import DataError
from autola_analysis.inference.stream import ImageData


def measure_similarity(
    models: Model | Sequence[Model],
    data: ImageData,
    options: SimilarityOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> SimilarityResult:
    """Measure the linear CKA of every layer of some networks with every other, in one pass over the data.

    Networks of one variant, training runs, are given as `Variant` with one name: the similarity of two variants means
    something only beside that of two runs of one.

    Args:
        models: A loaded checkpoint or any network, whose layers are compared with each other, or several of them; they
            are as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``.
        options: Layers, pooling, images per minibatch.
        reading: Device, precision, batch size, progress bar, cache.
        values: Fields of `SimilarityOptions`, instead of `options`.

    Raises:
        LayerError: If a layer cannot be pooled, or is not a single tensor.
        UnknownNameError: If a network has no such layer.
        DataError: If there are fewer than 4 images, or features are not finite.
        OptionError: If an option is not possible, or memory does not hold the features.

    References:
        Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019; see `cka`.
    """
    from autola_analysis.analyses.similarity.analysis import Similarity

    return measure_alone(Similarity(), models, data, given(SimilarityOptions, options, values), reading)


def similarity_result(
    observations: Sequence[Observation[FeatureObserver]], options: SimilarityOptions
) -> SimilarityResult:
    """Make a result of the features that a pass kept; an empty one in all but the first of several processes.

    Raises:
        DataError: If there are too few images, or features are not finite.
    """
    places, features = [], []
    for each in observations:
        for layer, values in each.observer.values().items():
            if not np.isfinite(values).all():
                raise DataError(
                    f"features in {layer} of {each.variant.title} are not finite; "
                    "look at the checkpoint and the preprocessing, or run with --precision float32."
                )
            places.append((each.variant.name, each.variant.run, layer))
            features.append(values)
    if not current().first:
        return SimilarityResult(tuple(places), np.full((0, len(places), len(places)), np.nan))
    images = len(features[0])
    if images < FEWEST_IMAGES:
        raise DataError(f"an unbiased estimate of similarity needs at least {FEWEST_IMAGES} images; found {images}.")
    batches = minibatches(images, options.minibatch, options.seed)
    return SimilarityResult(
        tuple(places),
        hsic_by_fold(features, batches),
        {
            "pool": options.pool,
            "images": int(batches.size),
            "left_out": images - int(batches.size),
            "minibatches": len(batches),
            "networks": [
                {"model": each.variant.name, "run": each.variant.run, **each.arithmetic} for each in observations
            ],
        },
        tuple(warning for each in observations for warning in each.warnings()),
    )
