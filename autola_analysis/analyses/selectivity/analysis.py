"""Class selectivity as an analysis: from what hangs on the pass to what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Subject
from autola_analysis.analyses.background_boxes import with_background
from autola_analysis.analyses.by_object import Masks, known_mask
from autola_analysis.analyses.joint_items import observed_in_crops
from autola_analysis.analyses.object_items import JOINTS, ObjectItems
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.analyses.selectivity.caveats import bias_caveats
from autola_analysis.analyses.selectivity.claims import CLAIMS
from autola_analysis.analyses.selectivity.compared import selectivity_statistics
from autola_analysis.analyses.selectivity.measure import (
    ACTIVITY,
    SelectivityWatcher,
    activity_watcher,
    check_options,
    selectivity_result,
)
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.result import FORMAT, SelectivityResult
from autola_analysis.analyses.selectivity.section import selectivity_section
from autola_analysis.analyses.selectivity.top_images import TopImageWatcher, top_images_result
from autola_analysis.analyses.selectivity.units import mentioned_images, units_section
from autola_analysis.core.errors import OptionError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import interval_text, number_text, percent_text
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable

Results = Sequence[SelectivityResult]


class Selectivity(Analysis[SelectivityOptions, Results]):
    """The class selectivity index of the units of some layers."""

    name = "selectivity"
    format = FORMAT
    tasks = frozenset({"classification", "detection", "keypoints"})
    claims = CLAIMS

    def check(self, options: SelectivityOptions, subject: Subject) -> None:
        """Refuse layers that a network does not have, areas without folds, and objects that no class has enough of."""
        subject = subject.in_crops
        check_options(subject.variants, options, isinstance(subject.source, ObjectSource))
        items = _items_of(options, subject)
        if items is not None and options.region == "mask":
            known_mask(_masks_of(subject), int(items.images[0]), int(items.places[0]))

    def watch(self, options: SelectivityOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what sums up units, and on request what keeps their activities and the images that drive them."""
        return [] if subject.finds_joints else self._watchers(options, subject)

    def _watchers(self, options: SelectivityOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        items = _items_of(options, subject)
        watchers: list[Watcher[Any]] = [SelectivityWatcher(options, items, _masks_of(subject))]
        if options.auc:
            watchers.append(activity_watcher(options))
        if options.top_images and items is None:
            watchers.append(TopImageWatcher(options.layers, options.top_images))
        return watchers

    def measure(self, options: SelectivityOptions, subject: Subject, observed: Observed, reading: Reading) -> Results:
        """Make a result per network."""
        if subject.finds_joints:
            subject = subject.in_crops
            observed = observed_in_crops(self._watchers(options, subject), subject, reading)
        sums = observed.by_watcher[SelectivityWatcher.name]
        activities = observed.by_watcher[ACTIVITY] if options.auc else [None] * len(sums)
        results = [selectivity_result(each, options, kept) for each, kept in zip(sums, activities, strict=True)]
        if TopImageWatcher.name not in observed.by_watcher:
            return results
        tops = [top_images_result(each, subject.ids) for each in observed.by_watcher[TopImageWatcher.name]]
        return [replace(result, top_images=top) for result, top in zip(results, tops, strict=True)]

    def store(self, result: Results) -> Stored:
        """Return the results as tables and arrays."""
        return SelectivityResult.together(result)

    def restore(self, stored: Stored) -> Results:
        """Return the results of their tables and arrays."""
        return SelectivityResult.apart(stored)

    def statistics(self, result: Results) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return corrected mean selectivity per layer, its slope over layers, and the distributions over units."""
        return selectivity_statistics(result)

    def sections(self, result: Results, sheet: Sheet) -> Sequence[Section]:
        """Draw Figure 1, and show extreme units with the images that drive them."""
        units = [units_section(result, sheet.thumbnails)] if any(each.top_images for each in result) else []
        return [selectivity_section(result, sheet), *units]

    def lines(self, result: Results) -> Lines:
        """Return a line per network and layer: the plain mean beside its chance level, and the corrected mean."""
        several_runs = any(each.run != "1" for each in result)
        classified = any(each.accuracy.top1 is not None for each in result) or not result[0].holds_objects
        dead = any(each.summary["dead"].any() for each in result)
        rows = []
        for each in result:
            name = f"{each.model} run {each.run}" if several_runs else each.model
            accuracy = [percent_text(each.accuracy.top1)] if classified else []
            for row in each.summary.to_dict("records"):
                interval = interval_text(row["ci_low"], row["ci_high"])
                corrected = f"{number_text(row['mean_corrected'])} {interval}".strip()
                units = [str(row["units"]), *([str(row["dead"])] if dead else [])]
                numbers = [number_text(row["mean"]), number_text(row["null_mean"]), corrected]
                rows.append([name, *accuracy, str(row["layer"]), *units, *numbers])
                name, accuracy = "", [""] * len(accuracy)
        units = ["units", *(["dead"] if dead else [])]
        header = ["model", *(["top-1"] if classified else []), "layer", *units, "mean", "chance"]
        return Lines([*header, "corrected, 95% interval"], rows)

    def warnings(self, result: Results) -> Sequence[str]:
        """Return the warnings of all networks, and where the bias of the plain mean matters."""
        return [*(warning for each in result for warning in each.warnings), *bias_caveats(result)]

    def settings(self, result: Results) -> list[Mapping[str, Any]]:
        """Return what else decided the numbers, per network."""
        return [{"model": each.model, "run": each.run, "layers": each.layers, **each.settings} for each in result]

    def accuracies(self, result: Results) -> Mapping[tuple[str, str], Accuracy]:
        """Return the number of crops of networks for joints, which have no accuracy; the pass counts others'."""
        return {(each.model, each.run): each.accuracy for each in result if each.items == JOINTS}

    def mentioned(self, result: Results) -> Sequence[str]:
        """Return the names of the images beside the units that are shown."""
        return mentioned_images(result)

    def renamed(self, result: Results, names: Mapping[str, str]) -> Results:
        """Return the results with other names of the images that drive units."""
        return [
            each
            if (top := each.top_images) is None
            else replace(each, top_images=replace(top, ids={key: names[name] for key, name in top.ids.items()}))
            for each in result
        ]


def _items_of(options: SelectivityOptions, subject: Subject) -> ObjectItems | None:
    """Return what is looked at of images of objects; None where every image has one label.

    Raises:
        OptionError: If joints are looked at and the options ask for what objects have.
    """
    items = subject.items
    if items is None or not isinstance(subject.source, ObjectSource):
        return None
    if items.what == JOINTS and (options.by == "images" or options.background):
        asked = "--background" if options.background else "--by images"
        raise OptionError(f"{asked} looks at objects, and {subject.variants[0].title} finds joints; leave it out.")
    if options.by == "images":
        return items.as_images()
    return with_background(items, subject.source, options.seed) if options.background else items


def _masks_of(subject: Subject) -> Masks:
    """Return what knows the masks of objects."""
    source = subject.source
    return source.object_mask if isinstance(source, ObjectSource) else lambda image, place: None
