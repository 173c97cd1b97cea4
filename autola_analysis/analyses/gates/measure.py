"""Measure what the attention gates of networks do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from autola_analysis.analyses.gates.find import find_gates, has_gates
from autola_analysis.analyses.gates.observer import SATURATED_HIGH, SATURATED_LOW, GateObserver
from autola_analysis.analyses.gates.result import GateResult, class_means_of, gate_rows
from autola_analysis.analyses.observation import Observation, Reading, class_names, observe, passes_of
from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.run import PassRecord, Settings
from autola_analysis.inference.stream import ImageData, Stream


def measure_gates(
    model: LoadedModel | nn.Module | Variant,
    data: ImageData,
    settings: Settings | None = None,
    batch_size: int | None = None,
    workers: int = 0,
) -> GateResult:
    """Measure every gate of a network's attention modules in one pass over the data.

    Args:
        model: A loaded checkpoint or any network with gates, see `find_gates`; it is as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``.
        settings: Device, precision, progress bar.
        batch_size: Images per batch; None chooses by the size of the images.
        workers: Processes that decode images.

    Raises:
        LayerError: If the network has no gates, or one has an unexpected shape.

    References:
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018, on the role of excitation.
    """
    (result,), _ = measure_gates_of([as_variant(model)], data, Reading(settings, batch_size, workers))
    return result


def measure_gates_of(
    variants: Sequence[Variant], data: ImageData, reading: Reading | None = None
) -> tuple[list[GateResult], list[PassRecord]]:
    """Measure several networks; those that share the geometry of their images share one reading of the data.

    Returns:
        A result per variant, in order, and a record per pass.
    """
    for variant in variants:
        find_gates(variant.model)  # refused here, before the pass
    observations = observe(variants, data, GateAnalysis(), reading or Reading())
    return [gate_result(observation) for observation in observations], passes_of(observations)


class GateAnalysis:
    """Gates as an analysis of a pass; networks without gates are passed over."""

    name = "gates"

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the network has gates."""
        return has_gates(variant.model)

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return the layers that are tapped."""
        return {"layers": [gate.layer for gate in find_gates(variant.model)]}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> GateObserver:
        """Return what sums up the gates of a network."""
        return GateObserver(find_gates(variant.model), len(class_names(stream)))


def gate_result(observation: Observation[GateObserver]) -> GateResult:
    """Make a result of what a pass summed up."""
    variant, observer = observation.variant, observation.observer
    images = int(observer.counts.sum())
    keyed = {f"{gate.module}/{gate.name}": observer.sums[gate.layer] for gate in observer.gates}
    return GateResult(
        model=variant.name,
        run=variant.run,
        gates=gate_rows(variant.name, variant.run, observer),
        class_means={key: class_means_of(sums, observer) for key, sums in keyed.items()},
        spatial_maps={key: (sums.spatial / images).numpy() for key, sums in keyed.items() if sums.spatial is not None},
        classes=observation.classes,
        accuracy=observation.accuracy,
        settings={"saturated_below": SATURATED_LOW, "saturated_above": SATURATED_HIGH, **observation.arithmetic},
        warnings=tuple(observation.warnings()),
    )
