"""From heat maps to results: of the networks, and of what knows nothing but the boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.detection.files import read_detections
from autola_analysis.analyses.evaluate.keypoints.numbers import KeypointNumbers
from autola_analysis.analyses.evaluate.keypoints.observer import JointWatcher, Mirrored
from autola_analysis.analyses.evaluate.keypoints.people import People
from autola_analysis.analyses.evaluate.keypoints.result import ANNOTATED, CONTROL, KeypointResult
from autola_analysis.analyses.evaluate.keypoints.rows import keypoint_rows
from autola_analysis.analyses.evaluate.options import EvaluationOptions
from autola_analysis.analyses.joint_networks import check_joint_networks
from autola_analysis.analyses.observation import Reading, observe
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.joint_reading import SAME_PERSON
from autola_analysis.core.objects import JointSet, Objects
from autola_analysis.data.given_boxes import GivenBoxes
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.person_crops import PersonCrops, joints_of, placed_joints_of
from autola_analysis.detectors.joint_decoding import JOINT_DECODINGS
from autola_analysis.inference.tasks.coco_metrics import KEYPOINT_METRICS, CocoMatches


def check_keypoints(options: EvaluationOptions, variants: Sequence[Variant], source: ObjectSource) -> None:
    """Refuse, before the pass, what cannot be evaluated: data without joints, or with others than the networks'.

    Raises:
        AutolaError: In one sentence.
    """
    if options.detections is not None:
        raise OptionError("--detections stands beside detectors, and the networks find joints; leave it out.")
    check_joint_networks(variants, source)
    if any(variant.name == CONTROL for variant in variants):
        raise OptionError(f"{CONTROL!r} names what knows nothing but the boxes; give the network another name.")
    placed_joints_of(source, "OKS needs")


def boxes_of(options: EvaluationOptions, source: ObjectSource) -> tuple[ObjectSource, NDArray[np.float64] | float]:
    """Return the boxes by which people are cut out, and their scores: those of a file, or the annotated ones with 1.

    Raises:
        DataError: If the file cannot be read, is about other images, or has no box of a person in these.
    """
    if options.boxes is None:
        return source, 1.0
    found, _ = read_detections(Path(options.boxes), source, others_too=True)
    if not len(found.labels):
        raise DataError(f"{options.boxes} has no box of a {source.classes[0]} in the images of {source.name}.")
    return GivenBoxes(source, found.images, found.boxes, found.labels), found.scores


def keypoint_results(
    variants: Sequence[Variant], source: ObjectSource, options: EvaluationOptions, reading: Reading
) -> list[KeypointResult]:
    """Return a result per network, and one of what knows nothing but the boxes; none in all but the first process.

    Args:
        variants: Networks for joints.
        source: Images with people.
        options: How joints are read from heat maps, seed.
        reading: Device, batch size, workers, progress bar, cache.
    """
    joints, quiet = joints_of(source), reading.settings.quiet
    decoding = JOINT_DECODINGS[options.decode_joints]
    cut_out, box_scores = boxes_of(options, source)
    annotated = PersonCrops(source, variants[0].crop_size)
    crops = {annotated.size: annotated} if cut_out is source else {}
    results: list[KeypointResult] = []
    for variant in variants:
        size = variant.crop_size
        if size not in crops:
            crops[size] = PersonCrops(cut_out, size)
        network = Mirrored(variant.model, joints.pairs, decoding) if options.flip_test else variant.model
        looking = replace(variant, model=network)
        (seen,) = observe([looking], crops[size], JointWatcher(options.decode_joints), reading)
        if not current().first:
            continue
        places, joint_scores = seen.observer.joints()
        found = People.of(crops[size], places, joint_scores, _sigmas(joints), box_scores, options.soft_nms)
        about = {"decode_joints": options.decode_joints, "flip_test": options.flip_test, **seen.arithmetic}
        names = (variant.name, variant.run)
        results.append(_result(names, found, crops[size], annotated.people, options, about, seen.warnings(), quiet))
    if results:
        first = crops[annotated.size]
        means = mean_poses(annotated, first)
        found = People.of(first, means, np.ones(means.shape[:2]), _sigmas(joints), box_scores, options.soft_nms)
        results.append(_result((CONTROL, "1"), found, first, annotated.people, options, {}, [], quiet))
    return results


def mean_poses(crops: PersonCrops, shown: PersonCrops) -> NDArray[np.float64]:
    """Return joints that are at their mean places in the annotated boxes, in pixels of crops, ``(P, J, 2)``.

    The mean is taken over the people who are evaluated, which favours it a little.

    Args:
        crops: Of the annotated people.
        shown: Crops in whose boxes the joints are put.
    """
    boxes = _boxes(crops)
    keypoints = np.stack([_keypoints(crops, image)[number] for image, number in crops.places])
    low, sides = boxes[:, None, :2] - 0.5, (boxes[:, 2:] - boxes[:, :2])[:, None]
    labelled = keypoints[..., 2:] > 0
    counts = labelled.sum(0)
    shares = np.where(labelled, (keypoints[..., :2] - low) / sides, 0).sum(0) / np.maximum(counts, 1)
    others = _boxes(shown)
    low, sides = others[:, None, :2] - 0.5, (others[:, 2:] - others[:, :2])[:, None]
    stored = low + np.where(counts, shares, 0.5) * sides
    return np.stack([place(each) for place, each in zip(shown.maps, stored, strict=True)])


def _boxes(crops: PersonCrops) -> NDArray[np.float64]:
    return np.stack([crops.people[image].boxes[number] for image, number in crops.places])


def _result(
    names: tuple[str, str],
    found: People,
    crops: PersonCrops,
    annotated: Sequence[Objects],
    options: EvaluationOptions,
    about: Mapping[str, Any],
    warnings: Sequence[str],
    quiet: bool,
) -> KeypointResult:
    sigmas = _sigmas(crops.joints)
    matches = CocoMatches.of(found.per_image(crops), annotated, len(crops.classes), sigmas)
    own = found if options.boxes is None else found.in_boxes_of(crops, annotated)
    numbers = KeypointNumbers.of(matches, own, annotated, sigmas, options.seed, quiet)
    people = {name: matches.objects(metric.size) for name, metric in KEYPOINT_METRICS.items()}
    metrics, per_joint = keypoint_rows(*names, [numbers], crops.joints.names, people)
    settings = {
        "images": numbers.images,
        "people": len(own.images) if options.boxes is None else matches.objects(),
        "in_own_box": len(own.images),
        "crops": len(found.images),
        "kept": int(found.kept.sum()),
        "joints": int(numbers.labelled[:, -1].sum()),
        "boxes": ANNOTATED if options.boxes is None else Path(options.boxes).name,
        "soft_nms": options.soft_nms,
        "crop": list(crops.size),
        "suppression": SAME_PERSON,
        "draws": len(numbers.metrics_drawn),
        "seed": options.seed,
        **about,
    }
    return KeypointResult(
        *names,
        metrics=metrics,
        per_joint=per_joint,
        found=found,
        numbers=numbers,
        joints=crops.joints.names,
        settings=settings,
        warnings=tuple(warnings),
    )


def _keypoints(crops: PersonCrops, image: int) -> NDArray[np.float64]:
    keypoints = crops.people[image].keypoints
    assert keypoints is not None
    return keypoints


def _sigmas(joints: JointSet) -> tuple[float, ...]:
    assert joints.sigmas is not None
    return joints.sigmas
