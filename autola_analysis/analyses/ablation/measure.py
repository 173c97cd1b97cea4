"""Measure ablation: of one network, or of several that share one reading of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from autola_analysis.analyses.ablation.head import Head
from autola_analysis.analyses.ablation.observer import AblationObserver
from autola_analysis.analyses.ablation.options import AblationOptions
from autola_analysis.analyses.ablation.orders import FloatArray, IntArray, Orders, ablated_units
from autola_analysis.analyses.ablation.outcome import Outcome
from autola_analysis.analyses.ablation.readout import Readout
from autola_analysis.analyses.ablation.result import AblationResult
from autola_analysis.analyses.ablation.tables import UNIT_TABLE
from autola_analysis.analyses.ablation.unit_selectivity import UnitSelectivity
from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.observation import Observation, Reading
from autola_analysis.core.errors import LayerError
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.source import hash_of
from autola_analysis.inference.stream import ImageData


def measure_ablation(
    models: Model | Sequence[Model],
    data: ImageData,
    options: AblationOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> Sequence[AblationResult]:
    """Measure the accuracy of networks while units of a layer are off: one by one, and more and more of them.

    Units are set to zero, or to their mean over the images. Cumulatively they are switched off in the order of their
    class selectivity, in the reverse order, and in random orders.

    Args:
        models: A loaded checkpoint or any network, or several of them, of which those that cannot be measured are
            passed over; they are as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``.
        options: Layers, what units are set to, random orders, steps.
        reading: Device, precision, batch size, progress bar, cache.
        values: Fields of `AblationOptions`, instead of `options`.

    Returns:
        A result per network and layer.

    Raises:
        LayerError: If no layer of a network can be measured.
        UnknownNameError: If a network has no such layer.
        OptionError: If an option is not possible, or no network has a head.

    References:
        Morcos et al., "On the importance of single directions for generalization", ICLR 2018. Zhou et al., "Revisiting
        the importance of individual units in CNNs via ablation", 2018.
    """
    from autola_analysis.analyses.ablation.analysis import Ablation

    result = measure_alone(Ablation(), models, data, given(AblationOptions, options, values), reading)
    if not result.networks and result.left_out:
        raise LayerError(result.left_out[0])
    return result.networks


@dataclass(frozen=True)
class Prepared:
    """What is known of a layer before units are switched off.

    Attributes:
        features: Spatial means ``(N, K)``.
        labels: ``(N,)``.
        selectivity: Of the units.
        orders: In which units are switched off.
        reference: What a unit is set to, ``(K,)``.
    """

    features: NDArray[np.float32]
    labels: IntArray
    selectivity: UnitSelectivity
    orders: Orders
    reference: FloatArray

    @classmethod
    def of(cls, observation: Observation[AblationObserver], options: AblationOptions) -> Prepared:
        """Prepare what a pass kept of a layer."""
        features, labels = observation.observer.found()
        selectivity = UnitSelectivity.measure(features, labels, len(observation.classes))
        reference = features.mean(axis=0, dtype=np.float64) if options.value == "mean" else np.zeros(features.shape[1])
        orders = Orders.draw(selectivity.values, options.orders, options.seed)
        return cls(features, labels, selectivity, orders, reference)

    def counts(self, steps: int) -> IntArray:
        """Return how many units are off at every step."""
        return ablated_units(len(self.orders.selective), steps)

    def outcome(self, options: AblationOptions) -> Outcome:
        """Return an outcome to be filled in."""
        return Outcome.empty(self.selectivity.folds, len(self.reference), options.orders, options.steps)


def ablate_readout(
    observation: Observation[AblationObserver], prepared: Prepared, options: AblationOptions, reading: Reading
) -> Outcome:
    """Switch off units of a layer that a linear head reads; no network runs."""
    head = observation.variant.model.get_submodule(observation.observer.head)
    assert isinstance(head, nn.Linear)
    outcome = prepared.outcome(options)
    readout = Readout(prepared.features, prepared.labels, Head.of(head), prepared.reference, reading.device)
    with progress_bar(len(prepared.labels), "ablation", quiet=reading.settings.quiet) as bar:
        readout.run(outcome, prepared.orders.all, prepared.counts(options.steps), bar)
    return outcome


def ablation_result(
    observation: Observation[AblationObserver], prepared: Prepared, outcome: Outcome, options: AblationOptions
) -> AblationResult:
    """Make a result of what an ablation found."""
    variant, (layer,) = observation.variant, observation.observer.layers
    changed = outcome.lost - outcome.gained
    lost, gained = outcome.lost.sum(axis=0), outcome.gained.sum(axis=0)
    images = len(prepared.labels)
    columns = (prepared.selectivity.values, changed.sum(axis=0) / images, lost, gained)
    rows = [(variant.name, variant.run, layer, unit, *each) for unit, each in enumerate(zip(*columns, strict=True))]
    correlation, fold_correlations = prepared.selectivity.correlations(changed)
    head = observation.observer.head
    return AblationResult(
        model=variant.name,
        run=variant.run,
        layer=layer,
        units=UNIT_TABLE.frame(rows),
        curves=outcome.curves,
        correlation=correlation,
        fold_correlations=fold_correlations,
        settings={
            "value": options.value,
            "orders": options.orders,
            "steps": options.steps,
            "seed": options.seed,
            "head": head,
            "images": images,
            "labels": hash_of(prepared.labels.astype("<i8").tobytes()),
            **observation.arithmetic,
        },
        warnings=tuple(observation.warnings()),
    )
