"""From detections to results: of the networks of a pass, and of files of detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autola_analysis.analyses.evaluate.detection.files import read_detections
from autola_analysis.analyses.evaluate.detection.found import Found
from autola_analysis.analyses.evaluate.detection.numbers import DetectionNumbers
from autola_analysis.analyses.evaluate.detection.observer import DetectionObserver
from autola_analysis.analyses.evaluate.detection.result import DetectionResult
from autola_analysis.analyses.evaluate.detection.rows import detection_rows
from autola_analysis.analyses.evaluate.options import EvaluationOptions
from autola_analysis.analyses.object_classes import NOT_THERE, classes_of_labels
from autola_analysis.analyses.observation import Observation
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.tasks.coco_metrics import METRICS, CocoMatches


def files_of(options: EvaluationOptions) -> dict[str, Path]:
    """Return the files of detections by name.

    Raises:
        OptionError: If two have one name, or one has none.
    """
    files: dict[str, Path] = {}
    for text in options.detections or []:
        name, sign, path = text.partition("=")
        if not (name and sign and path):
            raise OptionError(f"--detections takes NAME=FILE.json, with a name for the tables; found {text!r}.")
        if name in files:
            raise OptionError(f"--detections names {name} twice; give each file a name of its own.")
        files[name] = Path(path)
    return files


def check_detection(options: EvaluationOptions, variants: Sequence[Variant], source: ObjectSource) -> None:
    """Refuse, before the pass, what cannot be evaluated: other classes, equal names, no object at all.

    Raises:
        AutolaError: In one sentence.
    """
    for variant in variants:
        classes_of_labels(variant, source)
    names = {variant.name for variant in variants}
    for name, path in files_of(options).items():
        if name in names:
            raise OptionError(f"--detections {name}={path} has the name of a checkpoint; give it another.")
    if not any(len(source.objects(index)) for index in range(len(source))):
        raise OptionError(f"{source.name} has no annotated object in the images that are looked at; give other data.")


def check_detections(options: EvaluationOptions, source: ObjectSource) -> None:
    """Refuse files of detections that cannot be read, or are about other images or classes.

    Raises:
        AutolaError: In one sentence.
    """
    for path in files_of(options).values():
        read_detections(path, source)


def detection_results(
    observations: Sequence[Observation[DetectionObserver]],
    options: EvaluationOptions,
    source: ObjectSource,
    quiet: bool = True,
) -> list[DetectionResult]:
    """Return a result per network and per file of detections.

    Args:
        observations: Of the networks.
        options: Seed, and files of detections.
        source: The images.
        quiet: Whether to show no progress.
    """
    results = []
    for each in observations:
        found = _in_classes_of_data(each.observer.found().in_pixels(source.sizes), each.variant, source)
        about = {**each.arithmetic}
        results.append(
            _result((each.variant.name, each.variant.run), found, source, options, about, each.warnings(), quiet)
        )
    for name, path in files_of(options).items():
        found, others = read_detections(path, source)
        warnings = [f"{name}: {others:,} of its detections are in images that were not looked at."] if others else []
        results.append(_result((name, "1"), found, source, options, {"file": path.name}, warnings, quiet))
    return results


def _in_classes_of_data(found: Found, variant: Variant, source: ObjectSource) -> Found:
    known = np.append(classes_of_labels(variant, source), NOT_THERE)  # the last stands for labels below the first
    labels = known[np.clip(found.labels, -1, len(known) - 1)]
    mapped = Found(found.images, found.boxes, labels, found.scores)
    return mapped.rows(labels != NOT_THERE)


def _result(
    names: tuple[str, str],
    found: Found,
    source: ObjectSource,
    options: EvaluationOptions,
    about: Mapping[str, Any],
    warnings: Sequence[str],
    quiet: bool,
) -> DetectionResult:
    images = len(source)
    objects = [source.objects(index) for index in range(images)]
    matches = CocoMatches.of(found.per_image(images), objects, len(source.classes))
    numbers = DetectionNumbers.of(matches, images, options.seed, quiet)
    counts = {name: matches.objects(metric.size) for name, metric in METRICS.items()}
    of_classes = [int(each["all"].objects.sum()) for each in matches.by_class]
    metrics, per_class = detection_rows(*names, [numbers], source.classes, counts, of_classes)
    crowds = sum(int(each.crowd.sum()) for each in objects)
    return DetectionResult(
        *names,
        metrics=metrics,
        per_class=per_class,
        found=found,
        numbers=numbers,
        classes=source.classes,
        settings={
            "images": images,
            "detections": len(found.labels),
            "crowds": crowds,
            "draws": len(numbers.metrics_drawn),
            "seed": options.seed,
            **about,
        },
        warnings=(*warnings, *_about_classes(names[0], of_classes)),
    )


def _about_classes(name: str, objects: Sequence[int]) -> list[str]:
    missing = sum(not count for count in objects)
    return [f"{missing} of {len(objects)} classes have no object, hence no average precision."] if missing else []
