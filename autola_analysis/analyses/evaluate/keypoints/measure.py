"""From heat maps to results: of the networks, and of what knows nothing but the boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.keypoints.numbers import KeypointNumbers
from autola_analysis.analyses.evaluate.keypoints.observer import JointWatcher, Mirrored
from autola_analysis.analyses.evaluate.keypoints.people import People
from autola_analysis.analyses.evaluate.keypoints.result import CONTROL, KeypointResult
from autola_analysis.analyses.evaluate.keypoints.rows import keypoint_rows
from autola_analysis.analyses.evaluate.options import EvaluationOptions
from autola_analysis.analyses.joint_names import check_joints
from autola_analysis.analyses.observation import Reading, observe
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import OptionError
from autola_analysis.core.objects import JointSet
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.person_crops import PersonCrops, joints_of, placed_joints_of
from autola_analysis.detectors.joint_decoding import JOINT_DECODINGS
from autola_analysis.inference.tasks.coco_metrics import KEYPOINT_METRICS, CocoMatches
from autola_analysis.inference.tasks.joint_suppression import OVERLAP


def check_keypoints(options: EvaluationOptions, variants: Sequence[Variant], source: ObjectSource) -> None:
    """Refuse, before the pass, what cannot be evaluated: data without joints, or with others than the networks'.

    Raises:
        AutolaError: In one sentence.
    """
    if options.detections is not None:
        raise OptionError("--detections stands beside detectors, and the networks find joints; leave it out.")
    for variant in variants:
        if not variant.finds_joints:
            raise OptionError(
                f"{variant.title} finds objects and {_first(variants).title} joints; evaluate them one by one."
            )
        if variant.name == CONTROL:
            raise OptionError(f"{CONTROL!r} names what knows nothing but the boxes; give the network another name.")
        check_joints(variant, joints_of(source), source.name)
    placed_joints_of(source, "OKS needs")


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
    crops: dict[tuple[int, int], PersonCrops] = {}
    results: list[KeypointResult] = []
    for variant in variants:
        size = variant.crop_size
        crops.setdefault(size, PersonCrops(source, size))
        network = Mirrored(variant.model, joints.pairs, decoding) if options.flip_test else variant.model
        looking = replace(variant, model=network)
        (seen,) = observe([looking], crops[size], JointWatcher(options.decode_joints), reading)
        if not current().first:
            continue
        found = People.of(crops[size], *seen.observer.joints(), _sigmas(joints))
        about = {"decode_joints": options.decode_joints, "flip_test": options.flip_test, **seen.arithmetic}
        names = (variant.name, variant.run)
        results.append(_result(names, found, crops[size], options, about, seen.warnings(), quiet))
    if results:
        first = crops[variants[0].crop_size]
        results.append(_result((CONTROL, "1"), mean_poses(first), first, options, {}, [], quiet))
    return results


def mean_poses(crops: PersonCrops) -> People:
    """Return people whose every joint is at its mean place in the boxes of the evaluated people.

    The mean is taken over the people who are evaluated, which favours it a little.
    """
    boxes = np.stack([crops.people[image].boxes[number] for image, number in crops.places])
    keypoints = np.stack([_keypoints(crops, image)[number] for image, number in crops.places])
    low, sides = boxes[:, None, :2] - 0.5, (boxes[:, 2:] - boxes[:, :2])[:, None]
    labelled = keypoints[..., 2:] > 0
    counts = labelled.sum(0)
    shares = np.where(labelled, (keypoints[..., :2] - low) / sides, 0).sum(0) / np.maximum(counts, 1)
    stored = low + np.where(counts, shares, 0.5) * sides
    joints = np.stack([place(each) for place, each in zip(crops.maps, stored, strict=True)])
    return People.of(crops, joints, np.ones(joints.shape[:2]), _sigmas(crops.joints))


def _result(
    names: tuple[str, str],
    found: People,
    crops: PersonCrops,
    options: EvaluationOptions,
    about: Mapping[str, Any],
    warnings: Sequence[str],
    quiet: bool,
) -> KeypointResult:
    sigmas = _sigmas(crops.joints)
    matches = CocoMatches.of(found.per_image(crops), crops.people, len(crops.classes), sigmas)
    numbers = KeypointNumbers.of(matches, found, crops.people, sigmas, options.seed, quiet)
    people = {name: matches.objects(metric.size) for name, metric in KEYPOINT_METRICS.items()}
    metrics, per_joint = keypoint_rows(*names, [numbers], crops.joints.names, people)
    settings = {
        "images": numbers.images,
        "people": len(found.images),
        "kept": int(found.kept.sum()),
        "joints": int(numbers.labelled[:, -1].sum()),
        "boxes": "annotated",
        "crop": list(crops.size),
        "suppression": OVERLAP,
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


def _first(variants: Sequence[Variant]) -> Variant:
    return next(variant for variant in variants if variant.finds_joints)
