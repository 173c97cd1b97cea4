"""Context as an analysis: a pass over altered images beside the shared one, and what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Step, Subject
from autola_analysis.analyses.context.kinds import OBJECT_ONLY, chosen_kinds
from autola_analysis.analyses.context.measure import boxes_of, context_result
from autola_analysis.analyses.context.observer import UNALTERED, ScoreWatcher
from autola_analysis.analyses.context.options import ContextOptions
from autola_analysis.analyses.context.plan import available
from autola_analysis.analyses.context.result import FORMAT, ContextResult
from autola_analysis.analyses.context.scenes import Scenes
from autola_analysis.analyses.context.section import context_section
from autola_analysis.analyses.context.summary import context_statistics
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import counted, percent_text
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.stream import ImageData
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable


class Context(Analysis[ContextOptions, ContextResult]):
    """Accuracy and score of the true class when the surroundings of objects are exchanged, blurred, or left."""

    name = "context"
    format = FORMAT

    def check_source(self, options: ContextOptions, source: ImageData) -> None:
        """Refuse data without labels or known objects, boxes of other images, kinds that there are not."""
        kinds = chosen_kinds(options.kinds)
        if not isinstance(source, ImageSource):
            return  # `check` refuses it
        if not source.classes:
            raise DataError(f"context needs the class of every image, and {source.name} has no labels.")
        scenes = Scenes(source, boxes_of(options))
        if not scenes.known:
            raise DataError(
                f"context needs to know where objects are, and {source.name} has no masks"
                f"{'' if options.boxes is None else ', and no image is named among the boxes'}; give --boxes with a "
                "COCO-style JSON file or VOC XML files, or data with masks such as cluttered-digits."
            )
        if not available(scenes, kinds):
            raise DataError(f"{kinds[0]} needs data that say what is clutter in an image, and {source.name} does not.")

    def check(self, options: ContextOptions, subject: Subject) -> None:
        """Refuse networks without the labels' head."""
        source = _images(subject.source)
        for variant in subject.variants:
            _check_head(variant, source)

    def watch(self, options: ContextOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what keeps the scores of the images as they are."""
        return [ScoreWatcher()]

    def measure(self, options: ContextOptions, subject: Subject, observed: Observed, reading: Reading) -> ContextResult:
        """Run the networks over the altered images."""
        unaltered = observed.by_watcher[UNALTERED]
        return context_result(subject.variants, _images(subject.source), options, unaltered, reading)

    def store(self, result: ContextResult) -> Stored:
        """Return the result as tables and arrays."""
        return result.stored()

    def restore(self, stored: Stored) -> ContextResult:
        """Return the result of its tables and arrays."""
        return ContextResult.restored(stored)

    def statistics(self, result: ContextResult) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return accuracy and score of every kind, and their drops below the control."""
        return context_statistics(result), ()

    def sections(self, result: ContextResult, sheet: Sheet) -> Sequence[Section]:
        """Draw accuracies by kind, and some of the images."""
        return [context_section(result, sheet)]

    def lines(self, result: ContextResult) -> Lines:
        """Return a line per variant and kind."""
        rows = []
        by_name = {(row["model"], row["kind"], row["metric"]): row for row in result.summary.to_dict("records")}
        for (model, kind, metric), row in by_name.items():
            if metric == "accuracy":
                drop = by_name.get((model, kind, "accuracy_drop"))
                accuracy = percent_text(row["value"], row["ci_low"], row["ci_high"])
                lost = "" if drop is None else percent_text(drop["value"], drop["ci_low"], drop["ci_high"], unit="")
                rows.append([str(model), str(kind), str(row["images"]), accuracy, lost])
        return Lines(["model", "kind", "images", "accuracy, 95% interval", "points lost, 95% interval"], rows)

    def warnings(self, result: ContextResult) -> Sequence[str]:
        """Return what belongs beside the numbers."""
        return result.warnings

    def settings(self, result: ContextResult) -> Mapping[str, Any]:
        """Return what else decided the numbers."""
        return dict(result.settings)

    def renamed(self, result: ContextResult, names: Mapping[str, str]) -> ContextResult:
        """Return the result with images called by other names."""
        images = result.images
        return replace(
            result,
            images=images.assign(
                image=images["image"].map(names),
                donor=["" if donor == "" else names[donor] for donor in images["donor"]],
            ),
            pictures=[replace(picture, image=names[picture.image]) for picture in result.pictures],
        )

    def steps(self, options: ContextOptions, subject: Subject, seconds: float) -> Sequence[Step]:
        """Return the pass over the altered images."""
        source = _images(subject.source)
        scenes = Scenes(source, {})
        kinds = available(scenes, chosen_kinds(options.kinds))
        control = 0 if scenes.exact or kinds == [OBJECT_ONLY] else 1
        images = len(source) * (len(kinds) + control)
        what = f"{counted(images, 'image')} with other surroundings"
        return [Step(f"{what}, through {counted(len(subject.variants), 'network')}", seconds * images)]


def _images(source: ImageData) -> ImageSource:
    if not isinstance(source, ImageSource):
        raise DataError(
            f"context needs an image source, whose images it can alter; found {type(source).__name__}: see open_source."
        )
    return source


def _check_head(variant: Variant, source: ImageSource) -> None:
    """Refuse a network whose outputs are known not to be the labels'; what is not known the pass refuses."""
    outputs = variant.recorded_outputs
    if not variant.has_head:
        raise DataError(f"{variant.title} has no head, so that there is no score of the true class.")
    named = variant.classes is not None and tuple(variant.classes) != source.class_names
    if named or (outputs and outputs != len(source.classes)):
        raise DataError(
            f"{variant.title}: the labels of {source.name} are not those of its head, so that there is no score of the "
            "true class; give data of the classes that it was trained on."
        )
