"""The passes of a study: each data set is read once, each network sees each image once, for all analyses together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autola_analysis.analyses.embedding.extract import FeatureAnalysis, feature_result
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.gates import GateResult
from autola_analysis.analyses.gates.measure import GateAnalysis, gate_result
from autola_analysis.analyses.observation import Analysis, Observation, Reading, StoredObserver, observe_all, passes_of
from autola_analysis.analyses.selectivity import SelectivityOptions, SelectivityResult
from autola_analysis.analyses.selectivity.measure import SelectivityAnalysis, selectivity_result
from autola_analysis.analyses.top_images import TopImageAnalysis, TopImages, top_images_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import Subset, limit
from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.inference.run import PassRecord
from autola_analysis.inference.stream import Stream
from autola_analysis.study.file import EmbeddingTable, GatesTable, SelectivityTable
from autola_analysis.study.plan import Plan, PlannedData, Table

WATCHED = (SelectivityTable, GatesTable, EmbeddingTable)


@dataclass
class PassResults:
    """What the passes of a study found.

    Attributes:
        selectivity: A result per checkpoint.
        top_images: A result per checkpoint of the same analysis.
        gates: A result per checkpoint that has gates.
        features: Features per checkpoint.
        accuracies: Per data key and name and run of a checkpoint.
        records: Of the passes that were run; those found in the cache have none.
    """

    selectivity: list[SelectivityResult] = field(default_factory=list)
    top_images: list[TopImages] = field(default_factory=list)
    gates: list[GateResult] = field(default_factory=list)
    features: list[Features] = field(default_factory=list)
    accuracies: dict[str, dict[tuple[str, str], Accuracy]] = field(default_factory=dict)
    records: list[PassRecord] = field(default_factory=list)


class Chosen:
    """An analysis of some networks of a pass only.

    Args:
        analysis: The analysis.
        names: Names of the variants it is for.
    """

    def __init__(self, analysis: Analysis[Any], names: Collection[str]) -> None:
        self.name = analysis.name
        self._analysis = analysis
        self._names = names

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the network is one of the chosen, and there is anything to watch in it."""
        return variant.name in self._names and self._analysis.applies_to(variant)

    def inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Return the inputs of the analysis."""
        return self._analysis.inputs(variant)

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> StoredObserver:
        """Return what watches the network."""
        return self._analysis.watch(variant, preprocessing, stream, folder)


def run_passes(plan: Plan, reading: Reading) -> PassResults:
    """Run everything that hangs on forward passes."""
    results = PassResults()
    for data in plan.data.values():
        tables = [table for table in plan.file.analyses if isinstance(table, WATCHED) and plan.data_of(table) is data]
        if tables:
            _run_pass(plan, data, tables, reading, results)
    return results


def embedded_images(source: ImageSource, table: EmbeddingTable, seed: int) -> list[int]:
    """Return the numbers of the images that an embedding shows: a sample by class."""
    sample = source if table.limit is None else limit(source, table.limit, seed)
    if sample is source:
        return list(range(len(source)))
    assert isinstance(sample, Subset)
    return [int(index) for index in sample.indices]


def _run_pass(plan: Plan, data: PlannedData, tables: Sequence[Table], reading: Reading, results: PassResults) -> None:
    names = {table.kind: [each.variant.name for each in plan.models_of(table)] for table in tables}
    variants = [each.variant for each in plan.models if any(each.variant.name in chosen for chosen in names.values())]
    analyses: dict[str, Chosen] = {}
    for table in tables:
        for analysis in _analyses(plan, data, table):
            analyses[analysis.name] = Chosen(analysis, names[table.kind])
    observed = dict(zip(analyses, observe_all(variants, data.source, list(analyses.values()), reading), strict=True))
    everything = [each for of_analysis in observed.values() for each in of_analysis if each is not None]
    results.accuracies[data.key] = {(each.variant.name, each.variant.run): each.accuracy for each in everything}
    results.records += passes_of(everything)
    for table in tables:
        _collect(plan, data, table, observed, results)


def _analyses(plan: Plan, data: PlannedData, table: Table) -> list[Analysis[Any]]:
    if isinstance(table, SelectivityTable):
        analyses: list[Analysis[Any]] = [SelectivityAnalysis(table.layers, selectivity_options(table, plan.file.seed))]
        return [*analyses, TopImageAnalysis(table.layers, table.top_images)] if table.top_images else analyses
    if isinstance(table, EmbeddingTable):
        return [FeatureAnalysis(table.layer, table.pool, embedded_images(data.source, table, plan.file.seed))]
    return [GateAnalysis()]


def selectivity_options(table: SelectivityTable, seed: int) -> SelectivityOptions:
    """Return the options of a selectivity table."""
    return SelectivityOptions(table.permutations, table.folds, seed, table.rectify)


def _collect(
    plan: Plan,
    data: PlannedData,
    table: Table,
    observed: Mapping[str, Sequence[Observation[Any] | None]],
    results: PassResults,
) -> None:
    def found(name: str) -> list[Observation[Any]]:
        return [each for each in observed.get(name, []) if each is not None]

    if isinstance(table, SelectivityTable):
        options = selectivity_options(table, plan.file.seed)
        results.selectivity = [selectivity_result(each, options) for each in found(SelectivityAnalysis.name)]
        results.top_images = [top_images_result(each) for each in found(TopImageAnalysis.name)]
    elif isinstance(table, EmbeddingTable):
        images = embedded_images(data.source, table, plan.file.seed)
        name = FeatureAnalysis(table.layer, table.pool).name
        results.features = [feature_result(each, data.source, table.pool, images=images) for each in found(name)]
    else:
        results.gates = [gate_result(each) for each in found(GateAnalysis.name)]
