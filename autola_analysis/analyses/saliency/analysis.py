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
from autola_analysis.analyses.saliency.joints.check import check_joint_saliency
from autola_analysis.analyses.saliency.joints.compared import joint_lines, joint_statistics
from autola_analysis.analyses.saliency.joints.measure import explained_joints
from autola_analysis.analyses.saliency.joints.result import FORMAT as JOINTS_FORMAT
from autola_analysis.analyses.saliency.joints.result import JOINTS, JointSaliencyResult
from autola_analysis.analyses.saliency.joints.section import joint_section
from autola_analysis.analyses.saliency.localisation import METRICS
from autola_analysis.analyses.saliency.measure import checked_by_randomising, explained_source
from autola_analysis.analyses.saliency.methods import resolve_methods
from autola_analysis.analyses.saliency.objects.check import check_objects
from autola_analysis.analyses.saliency.objects.compared import object_lines, object_statistics
from autola_analysis.analyses.saliency.objects.measure import explained_objects, objects_checked_by_randomising
from autola_analysis.analyses.saliency.objects.result import FORMAT as OBJECTS_FORMAT
from autola_analysis.analyses.saliency.objects.result import OBJECTS, ObjectSaliencyResult
from autola_analysis.analyses.saliency.objects.section import object_section
from autola_analysis.analyses.saliency.objects.steps import object_steps
from autola_analysis.analyses.saliency.options import FOR_DETECTORS, SaliencyOptions
from autola_analysis.analyses.saliency.question import Question
from autola_analysis.analyses.saliency.result import CHANCE, FORMAT, SaliencyResult
from autola_analysis.analyses.saliency.sanity.section import sanity_section
from autola_analysis.analyses.saliency.sanity.weights import cascade
from autola_analysis.analyses.saliency.section import saliency_section
from autola_analysis.analyses.variants import check_layer_names
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.results import Format, Stored
from autola_analysis.core.text import counted, interval_text
from autola_analysis.data.listed import ListedImages
from autola_analysis.data.listed_objects import ListedObjects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import ImageSource, Source
from autola_analysis.inference.stream import ImageData
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable

FIRST = next(iter(METRICS))
PRINTED = ("auc", "energy")
FORWARDS_PER_METHOD = 3.0
"""A map costs a forward and a backward, which is about two forwards."""
FORWARDS_OF_OBJECTS = 10.0
"""The objects of an image cost a forward, and two backward passes each."""


Result = SaliencyResult | ObjectSaliencyResult | JointSaliencyResult
"""Of classifiers, of detectors, or of networks for joints"""


class Saliency(Analysis[SaliencyOptions, Result]):
    """Maps of some images, or of single objects or joints in them, by all networks, and where they lie."""

    name = "saliency"
    format = Format.either("saliency", FORMAT, OBJECTS_FORMAT, JOINTS_FORMAT)
    tasks = frozenset({"classification", "detection", "keypoints"})
    claims = CLAIMS

    def own_images(self, options: SaliencyOptions, finds_objects: bool = False) -> Source | None:
        """Open the image files that the options name."""
        if options.images is None:
            return None
        return ListedObjects(options.images) if finds_objects else ListedImages(options.images)

    def check_source(self, options: SaliencyOptions, source: ImageData) -> None:
        """Refuse boxes of other images, and images to show that there are not."""
        if isinstance(source, ImageSource):
            Question.of(source, options)

    def check(self, options: SaliencyOptions, subject: Subject) -> None:
        """Refuse what cannot be explained: methods, layers, targets; networks without a head."""
        if isinstance(subject.source, ObjectSource) and subject.finds_joints:
            check_joint_saliency(options, subject)
            return
        if isinstance(subject.source, ObjectSource):
            check_objects(options, subject.variants, subject.source)
            return
        if given := options.flags_given(FOR_DETECTORS):
            raise OptionError(f"{given[0]} is for detectors, and {subject.variants[0].title} is a classifier.")
        methods = resolve_methods(options.methods)
        if any(method.by_layer for method in methods.values()):
            check_layer_names(subject.variants, options.layers)
        for variant in subject.variants:
            if variant.name == CHANCE:
                raise OptionError(f"{CHANCE!r} names the maps that know nothing; give the network another name.")
            if not variant.has_head:
                raise DataError(f"{variant.title} has no head, so that there is no class score to explain.")
        check_target(options.target, subject.variants, _source(subject))

    def measure(self, options: SaliencyOptions, subject: Subject, observed: Observed, reading: Reading) -> Result:
        """Explain the images with all networks; processes share them."""
        if isinstance(subject.source, ObjectSource) and subject.finds_joints:
            return explained_joints(subject.variants, subject.people, options, reading)
        if isinstance(subject.source, ObjectSource):
            return explained_objects(subject.variants, subject.source, options, reading)
        return explained_source(subject.variants, _source(subject), options, reading)

    def finish(self, options: SaliencyOptions, subject: Subject, result: Result, reading: Reading) -> Result:
        """Check the methods against random weights, where that was asked for."""
        if isinstance(result, JointSaliencyResult):
            return result
        if isinstance(result, ObjectSaliencyResult):
            assert isinstance(subject.source, ObjectSource)
            return objects_checked_by_randomising(result, subject.variants, subject.source, options, reading)
        return checked_by_randomising(result, subject.variants, _source(subject), options, reading)

    def store(self, result: Result) -> Stored:
        """Return the result as tables and arrays."""
        return result.stored()

    def restore(self, stored: Stored) -> Result:
        """Return the result of its tables and arrays."""
        if JOINTS.name in stored.tables:
            return JointSaliencyResult.restored(stored)
        if OBJECTS.name in stored.tables:
            return ObjectSaliencyResult.restored(stored)
        return SaliencyResult.restored(stored)

    def statistics(self, result: Result) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return every metric of every method and layer."""
        if isinstance(result, JointSaliencyResult):
            return joint_statistics(result)
        if isinstance(result, ObjectSaliencyResult):
            return object_statistics(result)
        return saliency_statistics(result), ()

    def sections(self, result: Result, sheet: Sheet) -> Sequence[Section]:
        """Draw Figure 3, and the curves of the sanity check where there are some."""
        if isinstance(result, JointSaliencyResult):
            return [joint_section(result, sheet)]
        if isinstance(result, ObjectSaliencyResult):
            sections = [object_section(result, sheet)]
        else:
            sections = [saliency_section(result, sheet)]
        return sections if result.sanity is None else [*sections, sanity_section(result.sanity, sheet)]

    def lines(self, result: Result) -> Lines:
        """Return a line per variant, method and layer; the tables have the other metrics."""
        if isinstance(result, JointSaliencyResult):
            return joint_lines(result)
        if isinstance(result, ObjectSaliencyResult):
            return object_lines(result)
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

    def warnings(self, result: Result) -> Sequence[str]:
        """Return what belongs beside the maps."""
        return result.warnings

    def settings(self, result: Result) -> Mapping[str, Any]:
        """Return what else decided the maps."""
        return dict(result.settings)

    def accuracies(self, result: Result) -> Mapping[tuple[str, str], Accuracy]:
        """Return the accuracy of each network on the images that it explained; detectors have none."""
        if isinstance(result, ObjectSaliencyResult | JointSaliencyResult):
            return {(model, run): Accuracy(result.settings["images"], None, None) for model, run in result.networks}
        return accuracies_of(result.images)

    def renamed(self, result: Result, names: Mapping[str, str]) -> Result:
        """Return the result with images called by other names."""
        pictures = [replace(picture, image=names[picture.image]) for picture in result.pictures]
        if isinstance(result, JointSaliencyResult):
            joints = result.joints.assign(image=result.joints["image"].map(names))
            return replace(result, joints=joints, pictures=pictures)
        sanity = None if result.sanity is None else result.sanity.renamed(names)
        if isinstance(result, ObjectSaliencyResult):
            objects = result.objects.assign(image=result.objects["image"].map(names))
            return replace(result, objects=objects, pictures=pictures, sanity=sanity)
        images = result.images.assign(image=result.images["image"].map(names))
        return replace(result, images=images, pictures=pictures, sanity=sanity)

    def steps(self, options: SaliencyOptions, subject: Subject, seconds: float) -> Sequence[Step]:
        """Return the step that makes the maps."""
        if isinstance(subject.source, ObjectSource):
            shown = "joints" if subject.finds_joints else "objects"
            what = f"maps of the {shown} of {counted(len(subject.source), 'image')}"
            of_maps = seconds * len(subject.source) * FORWARDS_OF_OBJECTS
            steps = [Step(f"{what}, through {counted(len(subject.variants), 'network')}", of_maps)]
            return steps if subject.finds_joints else [*steps, *object_steps(options, subject, seconds)]
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
