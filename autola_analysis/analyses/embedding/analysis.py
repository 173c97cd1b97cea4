"""Features and their embedding as an analysis: from what hangs on the pass to what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Step, Subject
from autola_analysis.analyses.embedding.claims import CLAIMS
from autola_analysis.analyses.embedding.compared import embedding_statistics
from autola_analysis.analyses.embedding.embed import FEWEST, embed_all
from autola_analysis.analyses.embedding.features import AT_JOINTS, Features
from autola_analysis.analyses.embedding.neighbours import others_of_each
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.quality import PROBE
from autola_analysis.analyses.embedding.result import FORMAT, Embedding
from autola_analysis.analyses.embedding.section import embedding_section
from autola_analysis.analyses.embedding.shown import shown_points
from autola_analysis.analyses.embedding.watcher import FeatureWatcher, feature_result
from autola_analysis.analyses.joint_items import observed_in_crops
from autola_analysis.analyses.object_items import IMAGES, JOINTS, ObjectItems
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.analyses.variants import check_layer_names
from autola_analysis.core.errors import DataError, LayerError, OptionError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import counted, percent_text
from autola_analysis.data.source import ImageSource, Source
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable

SECONDS_PER_IMAGE = 4e-3
"""Of an embedding, 750 iterations on one core; measured with 2,000 images."""
NOTHING_CACHED = "nothing is cached, since only an image source can be recognised again."
FURTHER = (
    ("features", "silhouette"),
    ("features", PROBE),
    ("plane", "knn_accuracy"),
    ("plane", "trustworthiness"),
    ("plane", "knn_recall"),
    ("plane", "kl_divergence"),
)
"""Spaces and metrics whose values stand behind the accuracy of nearest neighbours in the terminal."""


@dataclass(frozen=True)
class EmbeddingResults:
    """What was measured of all networks.

    Attributes:
        features: Per network and layer, the layers of a network side by side; none where the result comes from a
            report, which does not hold them.
        embeddings: Per network and layer, one per seed for the first run of a network, one that only rates the
            features for every other run; none before the features are embedded.
    """

    features: Sequence[Features] = ()
    embeddings: Sequence[Embedding] = ()


class EmbeddingAnalysis(Analysis[EmbeddingOptions, EmbeddingResults]):
    """The features of some layers, how well they separate the classes, and their embedding in the plane."""

    name = "embedding"
    format = FORMAT
    tasks = frozenset({"classification", "detection", "keypoints"})
    claims = CLAIMS
    fewest_images: ClassVar = FEWEST

    def check(self, options: EmbeddingOptions, subject: Subject) -> None:
        """Refuse layers that a network does not have, and too few images or objects, where their number is known."""
        subject = subject.in_crops
        if options.layer is not None and not options.layer:
            raise LayerError("the list of layers is empty; name at least one, or give none for the last stage.")
        check_layer_names(subject.variants, options.layer)
        items = _items_of(options, subject)
        if items is not None and options.pool != "mean":
            raise OptionError(
                "features of joints are taken at their places; leave out --pool flatten."
                if items.what == JOINTS
                else "features of objects are means over their boxes; leave out --pool flatten."
            )
        if items is not None and (others := others_of_each(len(items), items.groups)) < self.fewest_images:
            raise DataError(
                f"neighbours are looked for in other images, which hold {others} {items.what} besides those of "
                f"one image; {self.fewest_images} are needed: give more images, or a larger --limit-objects."
            )
        if isinstance(subject.source, ImageSource) and len(subject.source) < self.fewest_images:
            raise DataError(
                f"an embedding needs at least {self.fewest_images} images; {counted(len(subject.source), 'image')} "
                "would be looked at; raise the limit or give more."
            )

    def watch(self, options: EmbeddingOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what keeps the features of each layer."""
        return [] if subject.finds_joints else _watchers(options, _items_of(options, subject))

    def measure(
        self, options: EmbeddingOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> EmbeddingResults:
        """Take the features of every network and layer."""
        shown = subject.in_crops
        items = _items_of(options, shown)
        watchers = _watchers(options, items)
        if subject.finds_joints:
            observed = observed_in_crops(watchers, shown, reading)
        by_layer = [observed.by_watcher[watcher.name] for watcher in watchers]
        pool = AT_JOINTS if items is not None and items.what == JOINTS else options.pool
        named = (subject.ids, pool) if items is None else (items.ids, pool, items.names)
        features = [
            feature_result(observation, *named)
            for of_network in zip(*by_layer, strict=True)
            for observation in of_network
        ]
        if reading.cache is not None and not isinstance(subject.source, Source):
            features = [
                replace(each, warnings=(*each.warnings, f"{each.network}: {NOTHING_CACHED}")) for each in features
            ]
        return EmbeddingResults(features)

    def finish(
        self, options: EmbeddingOptions, subject: Subject, result: EmbeddingResults, reading: Reading
    ) -> EmbeddingResults:
        """Embed the first run of each network, and rate the features of the others."""
        first: dict[str, str] = {}
        for each in result.features:
            first.setdefault(each.model, each.run)
        drawn = [each for each in result.features if each.run == first[each.model]]
        others = [each for each in result.features if each.run != first[each.model]]
        settings = reading.settings
        how: dict[str, Any] = {"device": settings.device, "cache": reading.cache, "quiet": settings.quiet}
        embedded = embed_all(drawn, options, **how)
        rated = embed_all(others, options.model_copy(update={"method": "pca", "seeds": 1}), **how)
        embeddings = [*embedded, *(each.without_plane() for each in rated)]
        places = {(each.model, each.run, each.layer): place for place, each in enumerate(result.features)}
        ordered = sorted(embeddings, key=lambda each: places[each.model, each.run, each.layer])
        return replace(result, embeddings=ordered)

    def store(self, result: EmbeddingResults) -> Stored:
        """Return the embeddings as tables and arrays."""
        return Embedding.together(result.embeddings)

    def restore(self, stored: Stored) -> EmbeddingResults:
        """Return the embeddings of their tables and arrays."""
        return EmbeddingResults(embeddings=Embedding.apart(stored))

    def statistics(self, result: EmbeddingResults) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return accuracy of the nearest neighbours, silhouette and linear probe in the feature space, per layer."""
        return embedding_statistics(result.embeddings)

    def sections(self, result: EmbeddingResults, sheet: Sheet) -> Sequence[Section]:
        """Draw Figure 2, for print and for the screen."""
        return [embedding_section(result.embeddings, sheet)]

    def lines(self, result: EmbeddingResults) -> Lines:
        """Return a line per embedding; numbers of the plane stand where it is drawn."""
        classified = not all(each.images for each in result.embeddings)
        several_seeds = len({each.seed for each in result.embeddings}) > 1
        rows = []
        for each in result.embeddings:
            name = each.model if each.run == "1" else f"{each.model} run {each.run}"
            top1 = each.accuracy.top1 if each.accuracy else None
            quality = {(row["space"], row["metric"]): row for row in each.quality.to_dict("records")}
            knn = quality["features", "knn_accuracy"]
            numbers = [quality.get(key) for key in FURTHER]
            rows.append(
                [
                    name,
                    each.layer,
                    *([f"seed {each.seed}"] if several_seeds else []),
                    *([percent_text(top1)] if classified else []),
                    percent_text(knn["value"], knn["ci_low"], knn["ci_high"]),
                    *("" if row is None else _text(row["metric"], row["value"]) for row in numbers),
                ]
            )
        seed = ["embedding"] if several_seeds else []
        measured = ["kNN, 95% interval", "silhouette", "probe", "plane kNN", "trust", "recall", "KL"]
        return Lines(["model", "layer", *seed, *(["top-1"] if classified else []), *measured], rows)

    def warnings(self, result: EmbeddingResults) -> Sequence[str]:
        """Return the warnings of all embeddings, which hold those of their features."""
        return list(dict.fromkeys(warning for each in result.embeddings for warning in each.warnings))

    def settings(self, result: EmbeddingResults) -> Mapping[str, Any]:
        """Return what else decided the numbers: of every network and layer, and of every embedding."""
        return {
            "features": [{**_names(each), **each.settings} for each in result.features],
            "embeddings": [{**_names(each), **each.params} for each in result.embeddings],
        }

    def accuracies(self, result: EmbeddingResults) -> Mapping[tuple[str, str], Accuracy]:
        """Return the number of crops of networks for joints, which have no accuracy; the pass counts others'."""
        return {
            (each.model, each.run): each.accuracy
            for each in result.embeddings
            if each.items == JOINTS and each.accuracy
        }

    def mentioned(self, result: EmbeddingResults) -> Sequence[str]:
        """Return the names of the images that panels show."""
        names = result.embeddings[0].names_of_images
        return [names[point] for point in shown_points(len(names))]

    def steps(self, options: EmbeddingOptions, subject: Subject, seconds: float) -> Sequence[Step]:
        """Return the embeddings, with the time of their optimisation."""
        if options.method == "pca":
            return []
        assert isinstance(subject.source, Source)
        items = _items_of(options, subject.in_crops)
        points, what = (len(subject.source), IMAGES) if items is None else (len(items), items.what)
        count = len({variant.name for variant in subject.variants}) * len(options.layer or [""]) * options.seeds
        return [Step(f"{counted(count, 'embedding')} of {points:,} {what}", count * points * SECONDS_PER_IMAGE)]


def _items_of(options: EmbeddingOptions, subject: Subject) -> ObjectItems | None:
    """Return the objects or joints that are looked at; None where images are."""
    items = subject.items
    return None if items is None else items.limited(options.limit_objects, options.seed)


def _watchers(options: EmbeddingOptions, items: ObjectItems | None) -> list[FeatureWatcher]:
    layers: Sequence[str | None] = options.layer or [None]
    return [FeatureWatcher(layer, options.pool, items) for layer in layers]


def _text(metric: str, value: float) -> str:
    """Return a quality as the terminal shows it, an accuracy in per cent."""
    return percent_text(value) if metric in ("knn_accuracy", PROBE) else f"{value:.4f}"


def _names(each: Features | Embedding) -> dict[str, str]:
    return {"model": each.model, "run": each.run, "layer": each.layer}
