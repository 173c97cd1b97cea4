"""The embed command's work: checkpoints and images in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from autola_analysis.analyses.embedding.extract import extract_all
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.embedding.tsne import EmbeddingOptions, embed_all
from autola_analysis.core.errors import OptionError
from autola_analysis.core.processes import current
from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.report.accuracy import write_accuracy
from autola_analysis.report.compose import Layout, complete_report
from autola_analysis.report.embedding import write_embeddings
from autola_analysis.report.mentioned import mentioned_images
from autola_analysis.report.thumbnails import source_thumbnails, write_thumbnails
from autola_analysis.study.facts import facts_of, measured_models, warnings_of
from autola_analysis.study.models import load_models
from autola_analysis.study.request import ReportRequest
from autola_analysis.study.shared import report_of_first
from autola_analysis.study.sources import source_for, title_of


@dataclass(frozen=True)
class EmbeddingRequest(ReportRequest):
    """One run of the embed command.

    Attributes:
        layers: Layers; None takes the last stage.
        pool: "mean" or "flatten".
        options: What decides the positions.
        seeds: Number of seeds, counted up from `first_seed`.
        first_seed: Seed of the picture.
        processes: Embeddings optimised at once; None takes one per core.
        align: Whether panels are aligned to the first.
    """

    layers: Sequence[str] | None = None
    pool: str = "mean"
    options: EmbeddingOptions = field(default_factory=EmbeddingOptions)
    seeds: int = 1
    first_seed: int = 0
    processes: int | None = None
    align: bool = False


@dataclass(frozen=True)
class EmbeddingReport:
    """What was embedded and written.

    Attributes:
        embeddings: Per checkpoint and layer, one per seed.
        warnings: Sentences that the page, the record and the terminal all show.
    """

    embeddings: Sequence[Embedding]
    warnings: Sequence[str]


def embedding_report(request: EmbeddingRequest) -> EmbeddingReport:
    """Embed the features of some checkpoints and write a report.

    Raises:
        AutolaError: If anything about checkpoints, images, options or the output directory is not as it should be;
            no report is written then.
    """
    if request.seeds < 1:
        raise OptionError(f"--seeds needs at least 1; found {request.seeds}.")
    request.check()
    models = load_models(request.checkpoints, request.loading)
    source, left_out = source_for(models, request.data)
    quiet = bool(request.reading.settings and request.reading.settings.quiet)
    seeds = range(request.first_seed, request.first_seed + request.seeds)
    with report_of_first(request.out, request.overwrite) as directory:
        features, passes = extract_all(
            [model.variant for model in models],
            source,
            request.layers,
            request.pool,
            request.reading,
        )
        current().leave_to_first()
        embeddings = embed_all(
            features,
            request.options,
            seeds,
            processes=request.processes,
            cache=request.reading.cache,
            quiet=quiet,
        )
        write_embeddings(directory, embeddings)
        shown = source_thumbnails(source, mentioned_images(source.ids, embeddings), quiet)
        write_thumbnails(directory, {"embedding": shown})
        write_accuracy(directory, measured_models(models, source, _accuracies(features)))
        warnings = warnings_of(models, left_out, [warning for each in embeddings for warning in each.warnings])
        facts = {
            "analysis": "embedding",
            **facts_of(models, source, left_out, request.data.hash_contents),
            "settings": [
                {"model": each.model, "run": each.run, "layer": each.layer, **each.settings} for each in features
            ],
            "embeddings": [
                {"model": each.model, "run": each.run, "layer": each.layer, **each.params} for each in embeddings
            ],
            "seeds": {"limit": request.data.seed, "embedding": list(seeds)},
            "passes": [asdict(record) for record in passes],
        }
        layout = Layout("Embedding", title_of(source), request.width, {"embedding": {"align": request.align}})
        complete_report(directory, layout, facts, warnings, request.anonymous)
    return EmbeddingReport(embeddings, warnings)


def _accuracies(features: Sequence[Features]) -> list[Accuracy]:
    """Return the accuracy of each network, whose layers all come from the same pass."""
    found = {(each.model, each.run): each.accuracy for each in features}
    return [accuracy for accuracy in found.values() if accuracy is not None]
