"""The evaluation of networks as an analysis: from what hangs on the pass to the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Subject
from autola_analysis.analyses.evaluate.claims import CLAIMS
from autola_analysis.analyses.evaluate.compared import evaluation_statistics
from autola_analysis.analyses.evaluate.detection.measure import check_detection, check_detections, detection_results
from autola_analysis.analyses.evaluate.detection.observer import DetectionWatcher
from autola_analysis.analyses.evaluate.detection.result import DETECTION_FORMAT, DETECTION_TABLE, DetectionResult
from autola_analysis.analyses.evaluate.detection.rows import detection_lines, detection_statistics
from autola_analysis.analyses.evaluate.detection.rows import rows_over_runs as detector_rows_over_runs
from autola_analysis.analyses.evaluate.detection.section import detection_section
from autola_analysis.analyses.evaluate.keypoints.measure import boxes_of, check_keypoints, keypoint_results
from autola_analysis.analyses.evaluate.keypoints.result import KEYPOINT_FORMAT, KEYPOINT_TABLE, KeypointResult
from autola_analysis.analyses.evaluate.keypoints.rows import keypoint_lines, keypoint_statistics
from autola_analysis.analyses.evaluate.keypoints.rows import rows_over_runs as keypoint_rows_over_runs
from autola_analysis.analyses.evaluate.keypoints.section import keypoint_section
from autola_analysis.analyses.evaluate.measure import PredictionWatcher, evaluation_result
from autola_analysis.analyses.evaluate.options import FOR_JOINTS, EvaluationOptions
from autola_analysis.analyses.evaluate.quality import ECE, NLL, TOP1, TOP5
from autola_analysis.analyses.evaluate.result import FORMAT, EvaluationResult
from autola_analysis.analyses.evaluate.rows import rows_over_runs
from autola_analysis.analyses.evaluate.section import evaluation_section
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import OptionError
from autola_analysis.core.results import Format, Stored
from autola_analysis.core.text import percent_text
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.stream import ImageData
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.difference import Comparable


@dataclass(frozen=True)
class EvaluationResults:
    """Results of classifiers that have a head, of detectors, or of networks for joints.

    Attributes:
        networks: A result per classifier with a head.
        without: Titles of the classifiers that have none.
        detectors: A result per detector, and per file of detections.
        poses: A result per network for joints, and one of what knows nothing but the boxes.
    """

    networks: Sequence[EvaluationResult] = ()
    without: tuple[str, ...] = ()
    detectors: Sequence[DetectionResult] = ()
    poses: Sequence[KeypointResult] = ()


class Evaluate(Analysis[EvaluationOptions, EvaluationResults]):
    """Accuracy, likelihood, calibration and confusions of classifiers; average precision of objects, and of people."""

    name = "evaluate"
    format = Format.either("evaluate", FORMAT, DETECTION_FORMAT, KEYPOINT_FORMAT)
    tasks = frozenset({"classification", "detection", "keypoints"})
    claims = CLAIMS

    def check_source(self, options: EvaluationOptions, source: ImageData) -> None:
        """Refuse files of boxes or of detections that cannot be used, or are about other images."""
        if isinstance(source, ObjectSource):
            check_detections(options, source)
            boxes_of(options, source)
        elif options.detections is not None:
            raise OptionError("--detections stands beside detectors, and the data are images with a label each.")

    def check(self, options: EvaluationOptions, subject: Subject) -> None:
        """Refuse networks of which none has a head, and detectors of other classes or joints than the data's."""
        if isinstance(subject.source, ObjectSource) and subject.finds_joints:
            check_keypoints(options, subject.variants, subject.source)
            return
        if given := options.flags_given(FOR_JOINTS):
            raise OptionError(f"{given[0]} is for networks for joints, and {subject.variants[0].title} is none.")
        if isinstance(subject.source, ObjectSource):
            check_detection(options, subject.variants, subject.source)
            return
        if not any(variant.has_head for variant in subject.variants):
            raise OptionError("none of the networks has a head, so that there are no predictions to evaluate.")

    def watch(self, options: EvaluationOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what keeps predictions or detections."""
        if subject.finds_joints:
            return []  # they look at crops of people, in passes of their own
        return [DetectionWatcher() if isinstance(subject.source, ObjectSource) else PredictionWatcher()]

    def measure(
        self, options: EvaluationOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> EvaluationResults:
        """Make a result per network; empty ones, and none of detectors, in all but the first of several processes."""
        if isinstance(subject.source, ObjectSource) and subject.finds_joints:
            return EvaluationResults(poses=keypoint_results(subject.variants, subject.source, options, reading))
        if isinstance(subject.source, ObjectSource):
            if not current().first:
                return EvaluationResults()
            found, quiet = observed.by_watcher[DetectionWatcher.name], reading.settings.quiet
            return EvaluationResults(detectors=detection_results(found, options, subject.source, quiet))
        return EvaluationResults(
            [evaluation_result(each, options) for each in observed.by_watcher[PredictionWatcher.name]],
            tuple(variant.title for variant in subject.variants if not variant.has_head),
        )

    def store(self, result: EvaluationResults) -> Stored:
        """Return the results, and the rows of variants over all their runs, as tables and arrays."""
        if result.poses:
            return KeypointResult.together(result.poses, keypoint_rows_over_runs(result.poses))
        if result.detectors:
            return DetectionResult.together(result.detectors, detector_rows_over_runs(result.detectors))
        return EvaluationResult.together(result.networks, rows_over_runs(result.networks))

    def restore(self, stored: Stored) -> EvaluationResults:
        """Return the results of their tables and arrays."""
        if KEYPOINT_TABLE.name in stored.tables:
            return EvaluationResults(poses=KeypointResult.apart(stored))
        if DETECTION_TABLE.name in stored.tables:
            return EvaluationResults(detectors=DetectionResult.apart(stored))
        return EvaluationResults(EvaluationResult.apart(stored))

    def statistics(self, result: EvaluationResults) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return average precision, or negative log likelihood; every comparison has accuracy by itself."""
        if result.poses:
            return keypoint_statistics(result.poses), ()
        if result.detectors:
            return detection_statistics(result.detectors), ()
        return evaluation_statistics(result.networks), ()

    def sections(self, result: EvaluationResults, sheet: Sheet) -> Sequence[Section]:
        """Draw accuracy per class and confusion matrices, or average precision and its curves, or that of joints."""
        if result.poses:
            return [keypoint_section(result.poses, sheet)]
        if result.detectors:
            return [detection_section(result.detectors, sheet)]
        return [evaluation_section(result.networks, sheet)]

    def lines(self, result: EvaluationResults) -> Lines:
        """Return a line per network."""
        if result.poses:
            return keypoint_lines(result.poses)
        if result.detectors:
            return detection_lines(result.detectors)
        several_runs = any(each.run != "1" for each in result.networks)
        rows = []
        for each in result.networks:
            name = f"{each.model} run {each.run}" if several_runs else each.model
            by_metric = {row["metric"]: row for row in each.metrics.to_dict("records")}
            known = {key: row for key, row in by_metric.items() if not math.isnan(row["value"])}
            first = percent_text(*(by_metric[TOP1][key] for key in ("value", "ci_low", "ci_high")))
            top5 = percent_text(known[TOP5]["value"]) if TOP5 in known else ""
            others = (f"{known[metric]['value']:.4f}" if metric in known else "" for metric in (NLL, ECE))
            rows.append([name, str(len(each.predictions.labels)), first, top5, *others])
        return Lines(["model", "images", "top-1, 95% interval", "top-5", "nll", "ece"], rows)

    def warnings(self, result: EvaluationResults) -> Sequence[str]:
        """Return the warnings of all networks, and the networks that are left out."""
        left_out = [f"{title} is left out: it has no head, hence no predictions." for title in result.without]
        return list(dict.fromkeys([*left_out, *(warning for each in self._all(result) for warning in each.warnings)]))

    def settings(self, result: EvaluationResults) -> list[Mapping[str, Any]]:
        """Return what else decided the numbers, per network."""
        return [{"model": each.model, "run": each.run, **each.settings} for each in self._all(result)]

    def accuracies(self, result: EvaluationResults) -> Mapping[tuple[str, str], Accuracy]:
        """Return the number of images of networks for joints, which have no accuracy; the pass counts others'."""
        return {(each.model, each.run): Accuracy(each.numbers.images, None, None) for each in result.poses}

    @staticmethod
    def _all(result: EvaluationResults) -> Sequence[EvaluationResult | DetectionResult | KeypointResult]:
        return [*result.networks, *result.detectors, *result.poses]
