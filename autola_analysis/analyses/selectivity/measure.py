"""Measure class selectivity: of one network, or of several that share one reading of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.by_object import ByObject, Masks, ObjectMeans
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Observation, Reading, class_names
from autola_analysis.analyses.per_image import PerImageObserver, PerImageWatcher
from autola_analysis.analyses.selectivity.auc import unit_auc
from autola_analysis.analyses.selectivity.caveats import bias_caveats, fold_caveats, item_caveats
from autola_analysis.analyses.selectivity.labelings import Labelings
from autola_analysis.analyses.selectivity.observer import SelectivityObserver, spatial_mean
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.result import SUMMARY, SelectivityResult, summary_row, unit_rows
from autola_analysis.analyses.selectivity.signed import SignedLayerRefusal
from autola_analysis.analyses.selectivity.summary import LayerSelectivity, summarise
from autola_analysis.analyses.variants import Variant, check_layer_names
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.stream import ImageData, Stream

ACTIVITY = "activity per image"
"""Name of what keeps the activity of every unit."""


@overload
def measure_selectivity(
    models: Model,
    data: ImageData,
    options: SelectivityOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> SelectivityResult: ...
@overload
def measure_selectivity(
    models: Sequence[Model],
    data: ImageData,
    options: SelectivityOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> Sequence[SelectivityResult]: ...
def measure_selectivity(
    models: Model | Sequence[Model],
    data: ImageData,
    options: SelectivityOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> SelectivityResult | Sequence[SelectivityResult]:
    """Measure the class selectivity index of every unit of some layers in one pass over the data.

    Args:
        models: A loaded checkpoint or any network, or several of them, which share one reading of the data; they are
            as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``; for
            detectors a source of objects, whose activities are means over their boxes.
        options: Layers, permutations, folds, rectification.
        reading: Device, precision, batch size, progress bar, cache.
        values: Fields of `SelectivityOptions`, instead of `options`.

    Returns:
        A result, or one per network where several are given.

    Raises:
        LayerError: If a layer has negative activity, no spatial mean, or is not a single tensor.
        UnknownNameError: If the network has no such layer.
        DataError: If fewer than two classes have images, or ten objects, or labels and classes do not fit.
        OptionError: If an option is not possible.

    References:
        Morcos et al., ICLR 2018. On reading it: Leavitt and Morcos, "Selectivity considered harmful", 2020;
        Gale et al., "Are there any 'object detectors' in the hidden layers of CNNs?", 2020.
    """
    from autola_analysis.analyses.selectivity.analysis import Selectivity

    results = measure_alone(Selectivity(), models, data, given(SelectivityOptions, options, values), reading)
    results = [replace(each, warnings=(*each.warnings, *bias_caveats([each]))) for each in results]
    return results if isinstance(models, Sequence) else results[0]


def check_options(variants: Sequence[Variant], options: SelectivityOptions, objects: bool = False) -> None:
    """Refuse layers that a network does not have, and options that do not fit each other or the data, before the pass.

    Raises:
        LayerError: If no layer is named, or a network has no stages.
        UnknownNameError: If a network has no such layer.
        OptionError: If the area under the ROC curve is asked for without folds, or of objects; or boxes of background
            where there are no boxes, or masks.
    """
    if options.background and not objects:
        raise OptionError("background is beside the objects of images, and the data have none; leave it out.")
    if options.by == "images" and (options.background or options.region == "mask"):
        given = "background" if options.background else "region mask"
        raise OptionError(f"{given} is about objects, and whole images are looked at; leave it out, or --by images.")
    if options.background and options.region == "mask":
        raise OptionError("boxes of background have no mask; leave out background or region mask.")
    if options.auc and objects:
        raise OptionError("auc is measured on images with a label each, and the data are objects; leave it out.")
    if options.auc and options.folds < 2:
        raise OptionError(
            f"auc chooses the preferred class of a unit on other folds of images and needs two of them; found folds = "
            f"{options.folds}. Give more folds, or leave auc out."
        )
    if options.layers is not None and not options.layers:
        raise LayerError("the list of layers is empty; name at least one, or give none for the stages.")
    check_layer_names(variants, options.layers)


class SelectivityWatcher:
    """Hangs the sums of unit activity on a pass.

    Args:
        options: Layers, permutations, folds, seed, rectification.
        items: Objects that are looked at instead of images; None looks at the images.
        masks: Where the objects are, for options that ask for it.
    """

    name = "selectivity"

    def __init__(
        self, options: SelectivityOptions, items: ObjectItems | None = None, masks: Masks | None = None
    ) -> None:
        self.options = options
        self._items = items
        self._masks = masks if options.region == "mask" else None
        self._labelings: dict[int, tuple[Stream, Labelings]] = {}

    def applies_to(self, variant: Variant) -> bool:
        """Return True: every network has units."""
        return True

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return layers and options."""
        layers = {"layers": resolve_layers(variant.model, self.options.layers)}
        return {
            **layers,
            **_deciding(self.options),
            **({} if self._items is None else {self._items.what: self._items.hash}),
        }

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> SelectivityObserver | ByObject[SelectivityObserver]:
        """Return what sums up the units of a network; networks on one stream share the labels drawn for it."""
        if id(stream) not in self._labelings:
            # the stream is held: its id must not be used again
            self._labelings[id(stream)] = (stream, self._drawn(stream))
        layers = resolve_layers(variant.model, self.options.layers)
        refuse = SignedLayerRefusal(variant, preprocessing)
        labelings, rectify = self._labelings[id(stream)][1], self.options.rectify
        if self._items is None:
            return SelectivityObserver(layers, labelings, rectify, refuse)
        means = ObjectMeans(self._items, variant.model, self._masks)
        return ByObject(SelectivityObserver(layers, labelings, rectify, refuse, means), means, layers)

    def _drawn(self, stream: Stream) -> Labelings:
        options, classes = self.options, len(class_names(stream))
        how = options.permutations, options.folds, options.seed
        if self._items is not None:
            return Labelings.of_objects(self._items, classes, *how)
        return Labelings.draw(stream.labels, classes, *how)


def activity_watcher(options: SelectivityOptions) -> PerImageWatcher:
    """Return what keeps the activity of every unit for every image, which the area under a ROC curve needs."""

    def activity(activation: Tensor) -> Tensor:
        return spatial_mean(activation.relu() if options.rectify else activation)

    return PerImageWatcher(ACTIVITY, options.layers, activity, {"rectify": options.rectify})


def selectivity_result(
    observation: Observation[SelectivityObserver],
    options: SelectivityOptions,
    activity: Observation[PerImageObserver] | None = None,
) -> SelectivityResult:
    """Make a result of what a pass summed up, and of the activity per image where it was kept."""
    variant, labelings = observation.variant, observation.observer.labelings
    classes = (*observation.classes, *labelings.classes_beside)
    sums = observation.observer.class_sums()
    measured = {layer: summarise(layer_sums) for layer, layer_sums in sums.items()}
    aucs = _unit_aucs(activity.observer.values(), measured, labelings) if activity is not None else {}
    counts = next(iter(sums.values())).counts.sum(axis=0)
    per_class = {name: int(count) for name, count in zip(classes, counts, strict=True)}
    by_object = observation.observer if isinstance(observation.observer, ByObject) else None
    items, subcell = labelings.items, by_object.subcell if by_object else {}
    return SelectivityResult(
        model=variant.name,
        run=variant.run,
        units=pd.concat(
            [
                unit_rows(variant.name, variant.run, layer, result, classes, aucs.get(layer), items)
                for layer, result in measured.items()
            ],
            ignore_index=True,
        ),
        summary=pd.DataFrame(
            [
                summary_row(variant.name, variant.run, layer, result, items, subcell.get(layer, 0))
                for layer, result in measured.items()
            ],
            columns=SUMMARY.names,
        ),
        class_means={layer: result.means for layer, result in measured.items()},
        fold_means={layer: result.fold_means for layer, result in measured.items()},
        half_means={layer: result.half_means for layer, result in measured.items()},
        classes=classes,
        accuracy=observation.accuracy,
        settings={
            **_deciding(options),
            "folds": labelings.num_folds if labelings.folds is not None else 0,
            "permutations": len(labelings.permuted),
            "auc": options.auc,
            **observation.arithmetic,
            "items": items,
            f"{items}_per_class": per_class,
            **({"images": by_object.images} if by_object else {}),
        },
        warnings=(
            *observation.warnings(),
            *item_caveats(per_class, items, labelings.left_out),
            *fold_caveats(labelings),
        ),
    )


def _deciding(options: SelectivityOptions) -> dict[str, Any]:
    """Return the options that decide the numbers of a network's sums: all but those that others look after."""
    return options.model_dump(exclude={"layers", "limit", "auc", "top_images"})


def _unit_aucs(
    activity: Mapping[str, NDArray[np.float32]], measured: Mapping[str, LayerSelectivity], labelings: Labelings
) -> dict[str, NDArray[np.float64]]:
    """Return the area under the ROC curve per unit, by layer; none without folds, or beside the first process."""
    if labelings.labels is None or labelings.folds is None or not all(map(len, activity.values())):
        return {}
    labels, folds = labelings.labels.numpy(), labelings.folds.numpy()
    return {
        layer: unit_auc(activity[layer], labels, folds, result.fold_preferred) for layer, result in measured.items()
    }
