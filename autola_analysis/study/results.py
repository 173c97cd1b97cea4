"""From a plan to results: passes, embeddings, maps, comparison. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from autola_analysis.analyses.comparison import candidate_of, compare
from autola_analysis.analyses.comparison.claims import CLAIM_COLUMNS
from autola_analysis.analyses.comparison.compare import COMPARISON_COLUMNS
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.embedding.tsne import EmbeddingOptions, embed_all
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.measure import SaliencyOptions
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.core.errors import OptionError
from autola_analysis.core.processes import current
from autola_analysis.data.listed import ListedImages
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import limit
from autola_analysis.inference.layers import stage_names
from autola_analysis.inference.run import Settings
from autola_analysis.study.file import EmbeddingTable, SaliencyTable
from autola_analysis.study.passes import PassResults, run_passes
from autola_analysis.study.plan import Plan, PlannedModel
from autola_analysis.study.saliency import Explaining, explain_images


@dataclass(frozen=True)
class StudyResults:
    """Everything that a study measured.

    Attributes:
        passes: Selectivity, gates, features, accuracy.
        embeddings: Of the first run of each model, one per seed: what is drawn.
        rated: Feature-space quality of the other runs, without positions.
        saliency: Maps and where they lie; None where the study has none.
        explained: The images of `saliency`.
        sanity: Rows of the sanity checks; None where there were none.
        comparison: Rows of ``comparison.csv``.
        claims: Rows of ``claims.csv``.
        warnings: Sentences that belong beside the numbers.
    """

    passes: PassResults
    embeddings: Sequence[Embedding] = ()
    rated: Sequence[Embedding] = ()
    saliency: SaliencyResult | None = None
    explained: ImageSource | None = None
    sanity: pd.DataFrame | None = None
    comparison: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COMPARISON_COLUMNS))
    claims: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CLAIM_COLUMNS))
    warnings: tuple[str, ...] = ()


def measure_study(plan: Plan, reading: Reading) -> StudyResults:
    """Run a plan; processes that share the run make passes and maps together, and the first does the rest."""
    passes = run_passes(plan, reading)
    saliency, explained, sanity = _explain(plan, reading)
    current().leave_to_first()
    embeddings, rated = _embed(plan, passes.features, reading)
    results = StudyResults(passes, embeddings, rated, saliency, explained, sanity)
    return _compared(plan, replace(results, warnings=tuple(_warnings(results))))


def _embed(plan: Plan, features: Sequence[Features], reading: Reading) -> tuple[list[Embedding], list[Embedding]]:
    table = plan.table(EmbeddingTable)
    if table is None:
        return [], []
    settings = reading.settings or Settings()
    options = EmbeddingOptions(table.method, table.perplexity, table.metric, settings.device)
    seed = plan.file.seed
    first = [each for each in features if each.run == "1"]
    others = [each for each in features if each.run != "1"]
    seeds = range(seed, seed + table.seeds)
    drawn = embed_all(first, options, seeds, cache=reading.cache, quiet=settings.quiet)
    rated = embed_all(others, replace(options, method="pca"), [seed], cache=reading.cache, quiet=settings.quiet)
    return drawn, [each.without_plane() for each in rated]


def _explain(plan: Plan, reading: Reading) -> tuple[SaliencyResult | None, ImageSource | None, pd.DataFrame | None]:
    table = plan.table(SaliencyTable)
    if table is None:
        return None, None, None
    seed = plan.file.seed
    source: ImageSource
    if table.images is not None:
        source = ListedImages([plan.base / Path(image).expanduser() for image in table.images])
    else:
        data = plan.data_of(table).source
        source = data if table.limit is None else limit(data, table.limit, seed)
    explaining = Explaining(
        seed=seed,
        boxes=None if table.boxes is None else plan.base / Path(table.boxes).expanduser(),
        show=table.show,
        sanity=table.sanity,
        options=SaliencyOptions(
            methods=table.methods,
            layers=table.layers,
            target=table.target,
            guide_gates=table.guide_gates,
            faithfulness=table.faithfulness,
            seed=seed,
        ),
    )
    exact = replace(reading, settings=replace(reading.settings or Settings(), precision="float32"))
    result, sanity = explain_images([each.model for each in plan.models_of(table)], source, explaining, exact)
    return result, source, sanity


def _compared(plan: Plan, results: StudyResults) -> StudyResults:
    """Compare the candidate of each group with the other models of the group."""
    comparisons, claims, said = [results.comparison], [results.claims], list(results.warnings)
    for group, models in plan.groups.items():
        names = {each.variant.name for each in models} & _measured(results)
        models = [each for each in models if each.variant.name in names]
        if len(names) < 2:
            continue
        try:
            candidate = candidate_of([each.variant for each in models], _candidate_in(plan, names))
        except OptionError as error:
            said.append(f"nothing is compared{f' in {group}' if group else ''}: {error}")
            continue
        found = compare(
            candidate,
            [each for each in results.passes.selectivity if each.model in names],
            _saliency_of(results.saliency, names),
            [each for each in (*results.embeddings, *results.rated) if each.model in names],
            stages=_stages(models),
            seed=plan.file.seed,
        )
        comparisons.append(found.table)
        claims.append(found.claims)
        said += found.warnings
    return replace(
        results, comparison=_joined(comparisons), claims=_joined(claims), warnings=tuple(dict.fromkeys(said))
    )


def _measured(results: StudyResults) -> set[str]:
    """Return the names of the models that have anything to compare: gates are described only."""
    embeddings = (*results.embeddings, *results.rated)
    explained = set(results.saliency.images["model"]) if results.saliency is not None else set()
    return {each.model for each in results.passes.selectivity} | {each.model for each in embeddings} | explained


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join tables of the same columns; empty ones would make pandas guess types."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _candidate_in(plan: Plan, names: set[str]) -> str | None:
    """Return the candidate that the study names, where it is in the group."""
    named = plan.file.candidate
    return named if named in names else None


def _stages(models: Sequence[PlannedModel]) -> list[str] | None:
    return stage_names(models[0].variant.model) or None


def _saliency_of(result: SaliencyResult | None, names: set[str]) -> SaliencyResult | None:
    if result is None:
        return None
    images = result.images[result.images["model"].isin(names)]
    return replace(result, images=images) if len(images) else None


def _warnings(results: StudyResults) -> list[str]:
    passes = results.passes
    said = [warning for each in passes.selectivity for warning in each.warnings]
    said += [warning for each in passes.gates for warning in each.warnings]
    said += [warning for each in (*results.embeddings, *results.rated) for warning in each.warnings]
    return list(dict.fromkeys([*said, *(results.saliency.warnings if results.saliency else ())]))
