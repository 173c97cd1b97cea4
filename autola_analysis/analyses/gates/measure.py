"""Measure what the attention gates of networks do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.gates.find import Gate, gates_of
from autola_analysis.analyses.gates.objects import HeldObjects
from autola_analysis.analyses.gates.observer import SATURATED_HIGH, SATURATED_LOW, GateObserver
from autola_analysis.analyses.gates.options import GateOptions
from autola_analysis.analyses.gates.result import GateResult, class_means_of, gate_rows
from autola_analysis.analyses.object_items import IMAGES, ObjectItems
from autola_analysis.analyses.observation import Observation, Reading, class_names
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.stream import ImageData, Stream


@overload
def measure_gates(
    models: Model, data: ImageData, options: GateOptions | None = ..., reading: Reading | None = ..., **values: Any
) -> GateResult: ...
@overload
def measure_gates(
    models: Sequence[Model],
    data: ImageData,
    options: GateOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> Sequence[GateResult]: ...
def measure_gates(
    models: Model | Sequence[Model],
    data: ImageData,
    options: GateOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> GateResult | Sequence[GateResult]:
    """Measure every gate of the attention modules of networks in one pass over the data.

    Args:
        models: A loaded checkpoint or any network with gates, see `find_gates`, or several of them, of which those
            without gates are passed over; they are as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``; for
            detectors a source of objects.
        options: Which images.
        reading: Device, precision, batch size, progress bar, cache.
        values: Fields of `GateOptions`, instead of `options`.

    Raises:
        LayerError: If no network has gates, or one has an unexpected shape.

    References:
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018, on the role of excitation.
    """
    from autola_analysis.analyses.gates.analysis import Gates

    result = measure_alone(Gates(), models, data, given(GateOptions, options, values), reading)
    return result.networks if isinstance(models, Sequence) else result.networks[0]


class GateWatcher:
    """Hangs the sums of gate values on a pass; networks without gates are passed over.

    Args:
        items: Objects of the images, whose classes these hold; None where every image is of one class.
        source: The images with their objects.
    """

    name = "gates"

    def __init__(self, items: ObjectItems | None = None, source: ObjectSource | None = None) -> None:
        self._found: dict[int, list[Gate]] = {}
        self._items, self._source = items, source

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the network has gates."""
        return bool(self._gates(variant))

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return the layers that are tapped, and the objects."""
        layers = {"layers": [gate.layer for gate in self._gates(variant)]}
        return layers if self._items is None else {**layers, self._items.what: self._items.hash}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> GateObserver:
        """Return what sums up the gates of a network."""
        objects = None
        if self._items is not None and self._source is not None:
            objects = HeldObjects(self._items, self._source, variant.model)
        return GateObserver(self._gates(variant), len(class_names(stream)), objects)

    def _gates(self, variant: Variant) -> list[Gate]:
        """Return the gates of a network, which runs once to show them."""
        if id(variant) not in self._found:
            self._found[id(variant)] = gates_of(variant.model, variant.input_side)
        return self._found[id(variant)]


def gate_result(observation: Observation[GateObserver], seed: int = 0) -> GateResult:
    """Make a result of what a pass summed up; of several processes only the first has the contrasts of objects."""
    variant, observer = observation.variant, observation.observer
    images = int(observer.images)
    keyed = {f"{gate.module}/{gate.name}": observer.sums[gate.layer] for gate in observer.gates}
    maps = {key: sums.mean_map(images) for key, sums in keyed.items()}
    contrasts = {layer: each.astype(np.float64) for layer, each in observer.contrasts().items() if len(each)}
    names = observer.objects.items.names if observer.objects and contrasts else ()
    items = observer.objects.items.what if observer.objects and names else IMAGES
    return GateResult(
        model=variant.name,
        run=variant.run,
        gates=gate_rows(variant.name, variant.run, observer, contrasts, names, seed, items),
        class_means={key: class_means_of(sums, observer) for key, sums in keyed.items()},
        spatial_maps={key: each.numpy() for key, each in maps.items() if each is not None},
        classes=observation.classes,
        accuracy=observation.accuracy,
        settings={
            "saturated_below": SATURATED_LOW,
            "saturated_above": SATURATED_HIGH,
            "images": images,
            **({items: len(names), "seed": seed} if names else {}),
            **observation.arithmetic,
        },
        warnings=tuple(observation.warnings()),
        contrasts={
            f"{gate.module}/{gate.name}": contrasts[gate.layer]
            for gate in observer.gates
            if names and observer.sums[gate.layer].spatial
        },
        images_of_objects=names,
    )
