"""Measure class selectivity: of one network, or of several from one reading of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from autola_analysis.analyses.selectivity.observer import Labelings, SelectivityObserver
from autola_analysis.analyses.selectivity.result import (
    SUMMARY_COLUMNS,
    SelectivityResult,
    summary_row,
    unit_rows,
)
from autola_analysis.analyses.selectivity.signed import nearest_rectified_layer
from autola_analysis.analyses.selectivity.summary import summarise
from autola_analysis.analyses.variants import Variant, as_variant, grouped_by_geometry
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.core.errors import DataError, LayerError, OptionError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.accuracy import AccuracyObserver, chance_warning
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.run import Job, PassRecord, Settings, run
from autola_analysis.inference.stream import ImageData, Stream, open_stream


@dataclass(frozen=True)
class SelectivityOptions:
    """What decides the numbers beside the networks and the images.

    Attributes:
        permutations: Permutations of the labels for the chance level.
        folds: Image folds for the interval; fewer are used where a class has fewer images.
        seed: Of permutations and folds.
        rectify: Whether negative activity is set to zero rather than refused.

    Raises:
        OptionError: If a number is negative.
    """

    permutations: int = 5
    folds: int = 10
    seed: int = 0
    rectify: bool = False

    def __post_init__(self) -> None:
        if self.permutations < 0 or self.folds < 0:
            raise OptionError(f"permutations and folds cannot be negative; found {self.permutations} and {self.folds}.")


def measure_selectivity(
    model: LoadedModel | nn.Module | Variant,
    data: ImageData,
    layers: Sequence[str] | None = None,
    options: SelectivityOptions | None = None,
    settings: Settings | None = None,
    batch_size: int | None = None,
    workers: int = 0,
) -> SelectivityResult:
    """Measure the class selectivity index of every unit of some layers in one pass over the data.

    Args:
        model: A loaded checkpoint or any network; it is as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``.
        layers: Layers that end in a ReLU; None takes the stages ``layer1``, ``layer2``, ...
        options: Permutations, folds, seed, rectification.
        settings: Device, precision, progress bar.
        batch_size: Images per batch; None chooses by the size of the images.
        workers: Processes that decode images.

    Raises:
        LayerError: If a layer has negative activity, no spatial mean, or is not a single tensor.
        UnknownNameError: If the network has no such layer.
        DataError: If fewer than two classes have images, or labels and classes do not fit.

    References:
        Morcos et al., ICLR 2018. On reading it: Leavitt and Morcos, "Selectivity considered harmful", 2020;
        Gale et al., "Are there any 'object detectors' in the hidden layers of CNNs?", 2020.
    """
    results, _ = measure_selectivities([as_variant(model)], data, layers, options, settings, batch_size, workers)
    return results[0]


def measure_selectivities(
    variants: Sequence[Variant],
    data: ImageData,
    layers: Sequence[str] | None = None,
    options: SelectivityOptions | None = None,
    settings: Settings | None = None,
    batch_size: int | None = None,
    workers: int = 0,
) -> tuple[list[SelectivityResult], list[PassRecord]]:
    """Measure several networks; those that share the geometry of their images share one reading of the data.

    Returns:
        A result per variant, in order, and a record per pass.
    """
    options = options or SelectivityOptions()
    chosen = {id(variant): resolve_layers(variant.model, layers) for variant in variants}
    results: dict[int, SelectivityResult] = {}
    records: list[PassRecord] = []
    for group in grouped_by_geometry(variants, data):
        stream = open_stream(data, group[0][1], batch_size, workers)
        watched = [_Watched(variant, preprocessing, chosen[id(variant)]) for variant, preprocessing in group]
        classes = _class_names(stream)
        labelings = Labelings.draw(stream.labels, len(classes), options.permutations, options.folds, options.seed)
        jobs = [each.job(stream, labelings, options.rectify) for each in watched]
        record = run(jobs, stream, settings)
        records.append(record)
        for each, job in zip(watched, jobs, strict=True):
            results[id(each.variant)] = _result(
                each.variant, job, labelings, classes, options, record, stream.batch_size
            )
    return [results[id(variant)] for variant in variants], records


@dataclass(frozen=True)
class _Watched:
    variant: Variant
    preprocessing: Preprocessing | None
    layers: Sequence[str]

    def job(self, stream: Stream, labelings: Labelings, rectify: bool) -> Job:
        variant = self.variant
        selectivity = SelectivityObserver(self.layers, labelings, rectify, self.refuse)
        accuracy = AccuracyObserver(stream.classes, variant.classes, variant.has_head)
        return Job(variant.model, [selectivity, accuracy], self.preprocessing, variant.title)

    def refuse(self, layer: str, images: torch.Tensor) -> LayerError:
        """Return what to raise for a layer with negative activity."""
        if self.preprocessing is not None and images.dtype == torch.uint8:
            images = self.preprocessing.normalize(images)
        nearest = nearest_rectified_layer(self.variant.model, images, layer)
        advice = f"the nearest layer behind a ReLU is {nearest!r}; or " if nearest else ""
        return LayerError(
            f"layer {layer!r} of {self.variant.title} has negative activity, for which the selectivity index is not "
            f"bounded; {advice}give --rectify to set negative values to zero."
        )


def _class_names(stream: Stream) -> tuple[str, ...]:
    if stream.classes is not None:
        return stream.classes
    if stream.labels is None:
        raise DataError(
            "the number of classes is not known before this loader is read; "
            "give a loader with shuffle=False over a data set with `targets`, or one with `classes`."
        )
    return tuple(str(label) for label in range(int(stream.labels.max()) + 1))


def _result(
    variant: Variant,
    job: Job,
    labelings: Labelings,
    classes: tuple[str, ...],
    options: SelectivityOptions,
    record: PassRecord,
    batch_size: int | None,
) -> SelectivityResult:
    selectivity, accuracy = job.observers
    assert isinstance(selectivity, SelectivityObserver)
    assert isinstance(accuracy, AccuracyObserver)
    sums = selectivity.class_sums()
    measured = {layer: summarise(layer_sums) for layer, layer_sums in sums.items()}
    rows = [summary_row(variant.name, variant.run, layer, result) for layer, result in measured.items()]
    counts = next(iter(sums.values())).counts.sum(axis=0)
    settings: dict[str, Any] = {
        **asdict(options),
        "folds": labelings.num_folds if labelings.num_folds > 1 else 0,
        "permutations": len(labelings.permuted),
        "precision": record.precision,
        "device": record.device,
        "batch_size": batch_size,
        "batch_norms_folded": record.folded[job.name],
        "channels_last": record.channels_last[job.name],
        "images_per_class": {name: int(count) for name, count in zip(classes, counts, strict=True)},
    }
    return SelectivityResult(
        model=variant.name,
        run=variant.run,
        units=pd.concat(
            [unit_rows(variant.name, variant.run, layer, result, classes) for layer, result in measured.items()],
            ignore_index=True,
        ),
        summary=pd.DataFrame(rows, columns=SUMMARY_COLUMNS),
        class_means={layer: result.means for layer, result in measured.items()},
        classes=classes,
        accuracy=accuracy.result(),
        settings=settings,
        warnings=tuple(_warnings(variant, labelings, classes, counts, accuracy)),
    )


def _warnings(
    variant: Variant,
    labelings: Labelings,
    classes: tuple[str, ...],
    counts: np.ndarray[Any, np.dtype[np.int64]],
    accuracy: AccuracyObserver,
) -> list[str]:
    warnings = []
    guessing = chance_warning(variant.title, accuracy.result(), len(classes))
    if guessing:
        warnings.append(guessing)
    missing = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if missing:
        warnings.append(
            f"{len(missing)} of {len(classes)} classes have no image and are left out: {', '.join(missing[:5])}"
            + (", ..." if len(missing) > 5 else ".")
        )
    if labelings.folds is None and labelings.permuted.numel() == 0:
        warnings.append(
            "no chance level and no interval: the labels are not known before the pass "
            "(a loader with shuffle=False over a data set with `targets` has them)."
        )
    elif labelings.folds is None:
        warnings.append("no interval: a class with a single image cannot be left out of a fold.")
    return warnings
