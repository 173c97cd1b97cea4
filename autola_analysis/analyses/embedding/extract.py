"""Extract features: of one network and layer, or of several that share one reading of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.analysis import Subject
from autola_analysis.analyses.embedding.analysis import EmbeddingAnalysis, EmbeddingResults
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.observation import Reading
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.stream import ImageData


class _Extraction(EmbeddingAnalysis):
    """The analysis as far as the features, of any number of images."""

    fewest_images = 1

    def finish(
        self, options: EmbeddingOptions, subject: Subject, result: EmbeddingResults, reading: Reading
    ) -> EmbeddingResults:
        return result


@overload
def extract_features(
    models: Model, data: ImageData, options: EmbeddingOptions | None = ..., reading: Reading | None = ..., **values: Any
) -> Features: ...
@overload
def extract_features(
    models: Sequence[Model],
    data: ImageData,
    options: EmbeddingOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> Sequence[Features]: ...
def extract_features(
    models: Model | Sequence[Model],
    data: ImageData,
    options: EmbeddingOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> Features | Sequence[Features]:
    """Collect what layers put out for every image, in one pass over the data.

    With a cache, the values are written to a file there and mapped into memory, so that any number of images fits;
    the next call with the same weights, images, layer, preprocessing and arithmetic opens the file instead of running
    the network. Two networks with the same weights that print alike are taken for one.

    Args:
        models: A loaded checkpoint or any network, or several of them, which share one reading of the data; they are
            as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``. Only an
            image source can be limited to some of its images, and recognised by a cache.
        options: Layers, pooling, number of images. What decides positions in the plane is not looked at.
        reading: Device, precision, batch size, progress bar, cache.
        values: Fields of `EmbeddingOptions`, instead of `options`.

    Returns:
        Features; where several networks are given, those of every network and layer, the layers of a network side by
        side.

    Raises:
        LayerError: If a layer cannot be pooled, or is not a single tensor.
        UnknownNameError: If a network has no such layer.
        DataError: If there is no image, or features are not finite.
        CacheError: If the cache cannot be written.
        OptionError: If an option is not possible, or several layers of a single network are asked for.
    """
    options = given(EmbeddingOptions, options, values)
    single = not isinstance(models, Sequence)
    if single and options.layer is not None and len(options.layer) > 1:
        raise OptionError("features of several layers are a list: give the network in a list too.")
    features = measure_alone(_Extraction(), models, data, options, reading).features
    return features[0] if single else features
