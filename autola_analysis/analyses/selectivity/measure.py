"""Measure class selectivity: of one network, or of several from one reading of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from autola_analysis.analyses.observation import Observation, Reading, class_names, observe, passes_of
from autola_analysis.analyses.selectivity.observer import Labelings, SelectivityObserver
from autola_analysis.analyses.selectivity.result import SUMMARY_COLUMNS, SelectivityResult, summary_row, unit_rows
from autola_analysis.analyses.selectivity.signed import nearest_rectified_layer
from autola_analysis.analyses.selectivity.summary import summarise
from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.run import PassRecord, Settings
from autola_analysis.inference.stream import ImageData, Stream


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
    reading = Reading(settings, batch_size, workers)
    (result,), _ = measure_selectivities([as_variant(model)], data, layers, options, reading)
    return result


def measure_selectivities(
    variants: Sequence[Variant],
    data: ImageData,
    layers: Sequence[str] | None = None,
    options: SelectivityOptions | None = None,
    reading: Reading | None = None,
) -> tuple[list[SelectivityResult], list[PassRecord]]:
    """Measure several networks; those that share the geometry of their images share one reading of the data.

    Returns:
        A result per variant, in order, and a record per pass.
    """
    analysis = SelectivityAnalysis(layers, options or SelectivityOptions())
    for variant in variants:
        resolve_layers(variant.model, layers)  # refused here, before the pass
    observations = observe(variants, data, analysis, reading or Reading())
    return [selectivity_result(observation, analysis.options) for observation in observations], passes_of(observations)


class SelectivityAnalysis:
    """Class selectivity as an analysis of a pass.

    Args:
        layers: Layers that end in a ReLU; None takes the stages.
        options: Permutations, folds, seed, rectification.

    Raises:
        LayerError: If the list of layers is empty.
    """

    name = "selectivity"

    def __init__(self, layers: Sequence[str] | None, options: SelectivityOptions) -> None:
        if layers is not None and not layers:
            raise LayerError("the list of layers is empty; name at least one, or give none for the stages.")
        self.options = options
        self._layers = layers
        self._labelings: dict[int, tuple[Stream, Labelings]] = {}

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has units."""
        return True

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return layers and options."""
        return {"layers": resolve_layers(variant.model, self._layers), **asdict(self.options)}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> SelectivityObserver:
        """Return what sums up the units of a network; networks on one stream share the labels drawn for it."""
        if id(stream) not in self._labelings:
            options = self.options
            drawn = Labelings.draw(
                stream.labels, len(class_names(stream)), options.permutations, options.folds, options.seed
            )
            self._labelings[id(stream)] = (stream, drawn)  # the stream is held: its id must not be used again
        layers = resolve_layers(variant.model, self._layers)
        refuse = _Refusal(variant, preprocessing)
        return SelectivityObserver(layers, self._labelings[id(stream)][1], self.options.rectify, refuse)


@dataclass(frozen=True)
class _Refusal:
    """Makes the error for a layer with negative activity."""

    variant: Variant
    preprocessing: Preprocessing | None

    def __call__(self, layer: str, images: torch.Tensor) -> LayerError:
        if self.preprocessing is not None and images.dtype == torch.uint8:
            images = self.preprocessing.normalize(images)
        nearest = nearest_rectified_layer(self.variant.model, images, layer)
        advice = f"the nearest layer behind a ReLU is {nearest!r}; or " if nearest else ""
        return LayerError(
            f"layer {layer!r} of {self.variant.title} has negative activity, for which the selectivity index is not "
            f"bounded; {advice}give --rectify to set negative values to zero."
        )


def selectivity_result(observation: Observation[SelectivityObserver], options: SelectivityOptions) -> SelectivityResult:
    """Make a result of what a pass summed up."""
    variant, classes, labelings = observation.variant, observation.classes, observation.observer.labelings
    sums = observation.observer.class_sums()
    measured = {layer: summarise(layer_sums) for layer, layer_sums in sums.items()}
    counts = next(iter(sums.values())).counts.sum(axis=0)
    images_per_class = {name: int(count) for name, count in zip(classes, counts, strict=True)}
    return SelectivityResult(
        model=variant.name,
        run=variant.run,
        units=pd.concat(
            [unit_rows(variant.name, variant.run, layer, result, classes) for layer, result in measured.items()],
            ignore_index=True,
        ),
        summary=pd.DataFrame(
            [summary_row(variant.name, variant.run, layer, result) for layer, result in measured.items()],
            columns=SUMMARY_COLUMNS,
        ),
        class_means={layer: result.means for layer, result in measured.items()},
        fold_means={layer: result.fold_means for layer, result in measured.items()},
        classes=classes,
        accuracy=observation.accuracy,
        settings={
            **asdict(options),
            "folds": labelings.num_folds if labelings.folds is not None else 0,
            "permutations": len(labelings.permuted),
            **observation.arithmetic,
            "images_per_class": images_per_class,
        },
        warnings=(*observation.warnings(), *_warnings(labelings, images_per_class)),
    )


def _warnings(labelings: Labelings, images_per_class: dict[str, int]) -> list[str]:
    warnings = []
    missing = [name for name, count in images_per_class.items() if count == 0]
    if missing:
        warnings.append(
            f"{len(missing)} of {len(images_per_class)} classes have no image and are left out: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else '.'}"
        )
    if labelings.labels is None:
        warnings.append(
            "no chance level and no interval: the labels are not known before the pass "
            "(a loader with shuffle=False over a data set with `targets` has them)."
        )
    elif labelings.folds is None and labelings.folds_asked_for > 1:
        warnings.append("no interval: a class with a single image cannot be left out of a fold.")
    return warnings
