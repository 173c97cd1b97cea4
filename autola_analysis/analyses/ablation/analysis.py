"""The ablation of units as an analysis: from what hangs on the pass to what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autola_analysis.analyses.ablation.compared import ablation_statistics
from autola_analysis.analyses.ablation.measure import Prepared, ablate_readout, ablation_result
from autola_analysis.analyses.ablation.observer import NO_HEAD, AblationObserver, AblationWatcher
from autola_analysis.analyses.ablation.options import AblationOptions
from autola_analysis.analyses.ablation.orders import ORDERS
from autola_analysis.analyses.ablation.result import AblationResult
from autola_analysis.analyses.ablation.section import ablation_section
from autola_analysis.analyses.ablation.tables import ACCURACY, FORMAT
from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Subject
from autola_analysis.analyses.observation import CLASSES_NOT_KNOWN, Observation, Reading, Watcher
from autola_analysis.analyses.variants import check_layer_names
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import number_text, percent_text
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable


@dataclass(frozen=True)
class AblationResults:
    """Results of the layers that could be measured.

    Attributes:
        networks: A result per network and layer.
        left_out: Sentences on what was left out, and why.
        observed: What the pass kept of each network and layer, before units are switched off.
    """

    networks: Sequence[AblationResult] = ()
    left_out: tuple[str, ...] = ()
    observed: Sequence[Observation[AblationObserver]] = ()


class Ablation(Analysis[AblationOptions, AblationResults]):
    """Accuracy while units are off, one at a time and along orders."""

    name = "ablation"
    format = FORMAT

    def check(self, options: AblationOptions, subject: Subject) -> None:
        """Refuse networks of which none has a head, and layers that a network does not have."""
        if not any(variant.has_head for variant in subject.variants):
            raise OptionError("none of the networks has a head, so that there is no accuracy to lose.")
        if options.layers is not None and not options.layers:
            raise LayerError("the list of layers is empty; name at least one, or give none for the last stage.")
        check_layer_names(subject.variants, options.layers)

    def watch(self, options: AblationOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what keeps the activations of each layer."""
        return _watchers(options)

    def measure(
        self, options: AblationOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> AblationResults:
        """Sort out the layers that can be measured."""
        without = tuple(
            f"{variant.title} is left out of the ablation: it has no head, hence no accuracy."
            for variant in subject.variants
            if not variant.has_head
        )
        by_layer = [observed.by_watcher[watcher.name] for watcher in _watchers(options)]
        everything = [each for of_network in zip(*by_layer, strict=True) for each in of_network]
        reasons = [obstacle(each) for each in everything]
        left_out = tuple(reason for reason in reasons if reason)
        kept = [each for each, reason in zip(everything, reasons, strict=True) if not reason]
        return AblationResults((), without + left_out, kept)

    def finish(
        self, options: AblationOptions, subject: Subject, result: AblationResults, reading: Reading
    ) -> AblationResults:
        """Switch units off."""
        networks = []
        for observation in result.observed:
            prepared = Prepared.of(observation, options)
            outcome = ablate_readout(observation, prepared, options, reading)
            networks.append(ablation_result(observation, prepared, outcome, options))
        return replace(result, networks=networks, observed=())

    def store(self, result: AblationResults) -> Stored:
        """Return the results, and the rows of variants over all their runs, as tables and arrays."""
        return AblationResult.together(result.networks)

    def restore(self, stored: Stored) -> AblationResults:
        """Return the results of their tables and arrays."""
        return AblationResults(AblationResult.apart(stored))

    def statistics(self, result: AblationResults) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return areas under curves, their differences, and the correlation of selectivity and drop."""
        return ablation_statistics(result.networks), ()

    def sections(self, result: AblationResults, sheet: Sheet) -> Sequence[Section]:
        """Draw the curves."""
        return [ablation_section(result.networks, sheet)]

    def lines(self, result: AblationResults) -> Lines:
        """Return a line per network and layer; under the name of an order, the area under its curve of accuracy."""
        several_runs = any(each.run != "1" for each in result.networks)
        dead = any(each.dead for each in result.networks)
        rows = []
        for each in result.networks:
            name = f"{each.model} run {each.run}" if several_runs else each.model
            values = {measure: of_images.mean() for measure, of_images in each.values_per_image().items()}
            shown = [percent_text(values[measure]) for measure in (ACCURACY, *(f"area_{order}" for order in ORDERS))]
            units = [str(len(each.units)), *([str(each.dead)] if dead else [])]
            rows.append([name, each.layer, *units, *shown, number_text(each.correlation)])
        units = ["units", *(["dead"] if dead else [])]
        return Lines(["model", "layer", *units, "accuracy", *ORDERS, "correlation"], rows)

    def warnings(self, result: AblationResults) -> Sequence[str]:
        """Return the warnings of all networks, and what is left out."""
        return list(dict.fromkeys([*result.left_out, *(text for each in result.networks for text in each.warnings)]))

    def settings(self, result: AblationResults) -> list[Mapping[str, Any]]:
        """Return what else decided the numbers, per network and layer."""
        return [
            {"model": each.model, "run": each.run, "layer": each.layer, **each.settings} for each in result.networks
        ]


def obstacle(observation: Observation[AblationObserver]) -> str:
    """Return why a layer cannot be measured, in one sentence; "" where it can be."""
    (layer,), title = observation.observer.layers, observation.variant.title
    left_out = f"{layer} of {title} is left out of the ablation"
    if not observation.classes:
        return f"{left_out}: {CLASSES_NOT_KNOWN}."
    if observation.accuracy.top1 is None:
        return f"{left_out}: accuracy is not measured, since the labels of the data are not those of the head."
    if observation.observer.signed:
        return (
            f"{left_out}: it has negative activity, so that its units have no selectivity index to be ordered by; "
            "name the ReLU behind it with --layers."
        )
    if not observation.observer.head:
        return f"{left_out}: {NO_HEAD}."
    return ""


def _watchers(options: AblationOptions) -> list[AblationWatcher]:
    layers: Sequence[str | None] = options.layers or [None]
    return [AblationWatcher(layer) for layer in layers]
