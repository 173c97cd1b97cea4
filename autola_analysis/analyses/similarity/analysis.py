"""Similarity of features as an analysis: from what hangs on the pass to what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Step, Subject
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.analyses.similarity.cka import FEWEST_IMAGES
from autola_analysis.analyses.similarity.measure import similarity_result
from autola_analysis.analyses.similarity.observer import FeatureWatcher
from autola_analysis.analyses.similarity.options import SimilarityOptions
from autola_analysis.analyses.similarity.result import FORMAT, SimilarityResult, compared_layers
from autola_analysis.analyses.similarity.section import similarity_section
from autola_analysis.analyses.variants import check_layer_names
from autola_analysis.core.errors import DataError, LayerError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import counted, interval_text, number_text
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

SECONDS_PER_PAIR = 2.5e-10
"""Of two images in two layers, on one core; measured with 36 layers of 16 to 64 channels."""


class Similarity(Analysis[SimilarityOptions, SimilarityResult]):
    """Linear CKA of every layer with every other, of all networks."""

    name = "similarity"
    format = FORMAT

    def check(self, options: SimilarityOptions, subject: Subject) -> None:
        """Refuse layers that a network does not have, and fewer images than an unbiased estimate needs."""
        if options.layers is not None and not options.layers:
            raise LayerError("the list of layers is empty; name at least one, or give none for the stages.")
        check_layer_names(subject.variants, options.layers)
        if isinstance(subject.source, ImageSource) and len(subject.source) < FEWEST_IMAGES:
            raise DataError(
                f"an unbiased estimate of similarity needs at least {FEWEST_IMAGES} images; "
                f"found {len(subject.source)}."
            )

    def watch(self, options: SimilarityOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what keeps features."""
        return [FeatureWatcher(options, len(subject.variants))]

    def measure(
        self, options: SimilarityOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> SimilarityResult:
        """Compare the features; in the first of several processes."""
        (observations,) = observed.by_watcher.values()
        return similarity_result(observations, options)

    def store(self, result: SimilarityResult) -> Stored:
        """Return the result as tables and arrays."""
        return result.stored()

    def restore(self, stored: Stored) -> SimilarityResult:
        """Return the result of its tables and arrays."""
        return SimilarityResult.restored(stored)

    def sections(self, result: SimilarityResult, sheet: Sheet) -> Sequence[Section]:
        """Draw all layers against each other, and layers beside their baseline."""
        return [similarity_section(result, sheet)]

    def lines(self, result: SimilarityResult) -> Lines:
        """Return a line per layer and pair of variants; of a single variant, per pair of layers."""
        if len(compared_layers(result).models) > 1:
            return Lines(
                ["layer", "variants", "CKA", "within", "difference", "95% interval", "reading"],
                [
                    [
                        row["layer"],
                        f"{row['model']}, {row['against']}",
                        *(number_text(row[name]) for name in ("cka", "within", "difference")),
                        interval_text(row["ci_low"], row["ci_high"], "+"),
                        row["reading"],
                    ]
                    for row in result.baseline.to_dict("records")
                ],
            )
        return Lines(
            ["layer", "run", "layer", "run", "CKA", "95% interval"],
            [
                [
                    *(row[name] for name in ("layer", "run", "against_layer", "against_run")),
                    number_text(row["cka"]),
                    interval_text(row["ci_low"], row["ci_high"]),
                ]
                for row in result.layers.to_dict("records")
            ],
        )

    def warnings(self, result: SimilarityResult) -> Sequence[str]:
        """Return the warnings of the networks."""
        return result.warnings

    def settings(self, result: SimilarityResult) -> Mapping[str, Any]:
        """Return what else decided the numbers."""
        return result.settings

    def steps(self, options: SimilarityOptions, subject: Subject, seconds: float) -> Sequence[Step]:
        """Return the comparison of the features, with its time."""
        assert isinstance(subject.source, ImageSource)
        images = len(subject.source)
        layers = sum(len(resolve_layers(variant.model, options.layers)) for variant in subject.variants)
        pairs = images * min(images, options.minibatch) * layers**2
        return [Step(f"similarity of {counted(layers, 'layer')} on {images:,} images", pairs * SECONDS_PER_PAIR)]
