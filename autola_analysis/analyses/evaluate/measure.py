"""Evaluate networks of any task: one, or several that share one reading of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.evaluate.detection.result import DetectionResult
from autola_analysis.analyses.evaluate.keypoints.result import KeypointResult
from autola_analysis.analyses.evaluate.observer import PredictionObserver
from autola_analysis.analyses.evaluate.options import EvaluationOptions
from autola_analysis.analyses.evaluate.predictions import Predictions
from autola_analysis.analyses.evaluate.quality import BINS, values_per_image
from autola_analysis.analyses.evaluate.result import EvaluationResult
from autola_analysis.analyses.evaluate.rows import class_rows, metric_rows
from autola_analysis.analyses.observation import Observation, Reading, class_names
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.stream import ImageData, Stream


@overload
def evaluate(
    models: Model,
    data: ImageData,
    options: EvaluationOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> EvaluationResult | DetectionResult | Sequence[KeypointResult]: ...
@overload
def evaluate(
    models: Sequence[Model],
    data: ImageData,
    options: EvaluationOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> Sequence[EvaluationResult] | Sequence[DetectionResult] | Sequence[KeypointResult]: ...
def evaluate(
    models: Model | Sequence[Model],
    data: ImageData,
    options: EvaluationOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> (
    EvaluationResult
    | DetectionResult
    | KeypointResult
    | Sequence[EvaluationResult]
    | Sequence[DetectionResult]
    | Sequence[KeypointResult]
):
    """Measure in one pass over the data how well networks do.

    Of classifiers that is accuracy, likelihood, calibration and confusions; of detectors, COCO's average precision and
    recall; of networks for joints, those of people, and every joint by itself.

    Args:
        models: A loaded checkpoint or any network, or several of them, of which those without a head are passed over;
            they are as before afterwards. Detectors are those of this package and of torchvision, networks for joints
            those of this package.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``; for
            detectors a source of objects, for joints one of people with joints.
        options: Which images, and files of other detectors' results.
        reading: Device, precision, batch size, progress bar, cache.
        values: Fields of `EvaluationOptions`, instead of `options`.

    Returns:
        A result, or one per network where several are given, and then one per file of detections; of networks for
        joints always several, the last that of what knows nothing but the boxes. Where the labels are
        not those of a network's head, its accuracy is not measured, and predictions are counted alone.

    Raises:
        DataError: If labels and classes do not fit, or the number of classes is not known before the pass.
        OptionError: If an option is not possible, no network has a head, or the data do not fit the networks.

    References:
        Guo et al., "On calibration of modern neural networks", ICML 2017; Lin et al., "Microsoft COCO", ECCV 2014.
    """
    from autola_analysis.analyses.evaluate.analysis import Evaluate

    result = measure_alone(Evaluate(), models, data, given(EvaluationOptions, options, values), reading)
    results = result.poses or result.detectors or result.networks
    return results if isinstance(models, Sequence) or len(results) > 1 else results[0]


class PredictionWatcher:
    """Hangs the predictions on a pass; networks without a head are passed over."""

    name = "evaluate"

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the outputs are logits."""
        return variant.has_head

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return nothing: network and images decide the predictions."""
        return {}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> PredictionObserver:
        """Return what keeps the predictions of a network."""
        return PredictionObserver(len(class_names(stream)), stream.classes, variant.classes)


def evaluation_result(observation: Observation[PredictionObserver], options: EvaluationOptions) -> EvaluationResult:
    """Make a result of what a pass kept."""
    variant, observer = observation.variant, observation.observer
    predictions, outputs = observer.predictions(), observer.outputs
    names = observation.outputs.names if not observer.fits else observation.classes
    values = {metric: each[None] for metric, each in values_per_image(predictions, outputs).items()}
    of_network, images = (variant.name, variant.run), len(predictions.labels)
    return EvaluationResult(
        *of_network,
        metrics=metric_rows(*of_network, images, values, outputs, options.seed),
        per_class=class_rows(*of_network, [predictions], names, observer.fits, options.seed),
        predictions=predictions,
        classes=observation.classes,
        outputs=names,
        settings={"images": images, "seed": options.seed, "bins": BINS, **observation.arithmetic},
        warnings=(*observation.warnings(), *_warnings(predictions, observation.classes)),
    )


def _warnings(predictions: Predictions, classes: tuple[str, ...]) -> list[str]:
    if predictions.ranks is None:
        return []
    missing = len(classes) - len(set(predictions.labels.tolist()))
    return [f"{missing} of {len(classes)} classes have no image, hence no accuracy."] if missing else []
