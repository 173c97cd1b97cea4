"""Saliency as an analysis: a look at the images of its own, with gradients, and what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Step, Subject
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.accuracy import accuracies_of
from autola_analysis.analyses.saliency.claims import CLAIMS
from autola_analysis.analyses.saliency.common_targets import check_target
from autola_analysis.analyses.saliency.compared import saliency_statistics
from autola_analysis.analyses.saliency.localisation import METRICS
from autola_analysis.analyses.saliency.measure import checked_by_randomising, explained_source
from autola_analysis.analyses.saliency.methods import resolve_methods
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.question import Question
from autola_analysis.analyses.saliency.result import CHANCE, FORMAT, SaliencyResult
from autola_analysis.analyses.saliency.sanity.section import sanity_section
from autola_analysis.analyses.saliency.sanity.weights import cascade
from autola_analysis.analyses.saliency.section import saliency_section
from autola_analysis.analyses.variants import check_layer_names
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import counted, interval_text
from autola_analysis.data.listed import ListedImages
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable

FIRST = next(iter(METRICS))
PRINTED = ("auc", "energy")
FORWARDS_PER_METHOD = 3.0
"""A map costs a forward and a backward, which is about two forwards."""


class Saliency(Analysis[SaliencyOptions, SaliencyResult]):
    """Maps of some images by all networks, and where they lie."""

    name = "saliency"
    format = FORMAT
    claims = CLAIMS

    def own_images(self, options: SaliencyOptions) -> ImageSource | None:
        """Open the image files that the options name."""
        return None if options.images is None else ListedImages(options.images)

    def check(self, options: SaliencyOptions, subject: Subject) -> None:
        """Refuse what cannot be explained: methods, layers, targets, boxes, images to show; networks without a head."""
        methods = resolve_methods(options.methods)
        if any(method.by_layer for method in methods.values()):
            check_layer_names(subject.variants, options.layers)
        for variant in subject.variants:
            if variant.name == CHANCE:
                raise OptionError(f"{CHANCE!r} names the maps that know nothing; give the network another name.")
            if not variant.has_head:
                raise DataError(f"{variant.title} has no head, so that there is no class score to explain.")
        source = _source(subject)
        check_target(options.target, subject.variants, source)
        Question.of(source, options)

    def measure(
        self, options: SaliencyOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> SaliencyResult:
        """Explain the images with all networks; processes share them."""
        return explained_source(subject.variants, _source(subject), options, reading)

    def finish(
        self, options: SaliencyOptions, subject: Subject, result: SaliencyResult, reading: Reading
    ) -> SaliencyResult:
        """Check the methods against random weights, where that was asked for."""
        return checked_by_randomising(result, subject.variants, _source(subject), options, reading)

    def store(self, result: SaliencyResult) -> Stored:
        """Return the result as tables and arrays."""
        return result.stored()

    def restore(self, stored: Stored) -> SaliencyResult:
        """Return the result of its tables and arrays."""
        return SaliencyResult.restored(stored)

    def statistics(self, result: SaliencyResult) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return every metric of every method and layer."""
        return saliency_statistics(result), ()

    def sections(self, result: SaliencyResult, sheet: Sheet) -> Sequence[Section]:
        """Draw Figure 3, and the curves of the sanity check where there are some."""
        sections = [saliency_section(result, sheet)]
        return sections if result.sanity is None else [*sections, sanity_section(result.sanity, sheet)]

    def lines(self, result: SaliencyResult) -> Lines:
        """Return a line per variant, method and layer; the tables have the other metrics."""
        rows = []
        everywhere = result.metrics[result.metrics["subset"] == "all"]
        for (model, method, layer), group in everywhere.groupby(["model", "method", "layer"], sort=False):
            by_metric = {str(row["metric"]): row for row in group.to_dict("records")}
            first = by_metric[FIRST]
            interval = interval_text(first["ci_low"], first["ci_high"])
            cells = [str(first["images"]), f"{first['mean']:.4f} {interval}".rstrip()]
            cells += [f"{by_metric[metric]['mean']:.4f}" for metric in PRINTED]
            rows.append([str(model), f"{method!s} {layer!s}".rstrip(), *cells])
        return Lines(["model", "map", "images", f"{FIRST}, 95% interval", *PRINTED], rows)

    def warnings(self, result: SaliencyResult) -> Sequence[str]:
        """Return what belongs beside the maps."""
        return result.warnings

    def settings(self, result: SaliencyResult) -> Mapping[str, Any]:
        """Return what else decided the maps."""
        return dict(result.settings)

    def accuracies(self, result: SaliencyResult) -> Mapping[tuple[str, str], Accuracy]:
        """Return the accuracy of each network on the images that it explained."""
        return accuracies_of(result.images)

    def renamed(self, result: SaliencyResult, names: Mapping[str, str]) -> SaliencyResult:
        """Return the result with images called by other names."""
        return replace(
            result,
            images=result.images.assign(image=result.images["image"].map(names)),
            pictures=[replace(picture, image=names[picture.image]) for picture in result.pictures],
            sanity=None if result.sanity is None else result.sanity.renamed(names),
        )

    def steps(self, options: SaliencyOptions, subject: Subject, seconds: float) -> Sequence[Step]:
        """Return the step that makes the maps."""
        images = len(Question.of(_source(subject), options).data)
        what = f"{', '.join(options.methods)} of {counted(images, 'image')}"
        per_image = seconds * FORWARDS_PER_METHOD * len(options.methods)
        steps = [Step(f"{what}, through {counted(len(subject.variants), 'network')}", images * per_image)]
        if options.sanity:
            checked = {variant.name: cascade(variant.model) for variant in reversed(subject.variants)}
            stages = options.sanity_draws * sum(map(len, checked.values()))
            seconds_each = min(options.sanity, images) * per_image / len(subject.variants)
            steps.append(Step(f"the sanity check, {counted(stages, 'randomisation')}", stages * seconds_each))
        return steps


def _source(subject: Subject) -> ImageSource:
    if not isinstance(subject.source, ImageSource):
        raise DataError(
            f"saliency needs an image source, which can show its images; found {type(subject.source).__name__}: "
            "see open_source, or explain() for tensors."
        )
    return subject.source
