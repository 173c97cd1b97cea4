"""COCO's metrics of joints: OKS and AP against their definitions, one pair and one detection at a time."""

import math

import numpy as np
import pytest

from autola_analysis.core.errors import DataError
from autola_analysis.core.objects import COCO_SIGMAS, Objects
from autola_analysis.inference.tasks.average_precision import THRESHOLDS, Detections
from autola_analysis.inference.tasks.coco_metrics import KEYPOINT_METRICS, SIZES, CocoMatches
from autola_analysis.inference.tasks.joint_similarity import JointSimilarity
from tests.inference.naive_coco import naive_precision, naive_recall

JOINTS = 17


def naive_oks(joints: np.ndarray, person: np.ndarray, box: np.ndarray, area: float) -> float:
    """As cocoapi's computeOks reads."""
    labelled = [number for number in range(JOINTS) if person[number, 2] > 0]
    terms = []
    for number in labelled or range(JOINTS):
        x, y = joints[number]
        if labelled:
            dx, dy = x - person[number, 0], y - person[number, 1]
        else:
            x1, y1, x2, y2 = box
            width, height = x2 - x1, y2 - y1
            dx = max(0, x1 - width - x) + max(0, x - (x1 + 2 * width))
            dy = max(0, y1 - height - y) + max(0, y - (y1 + 2 * height))
        variance = (2 * COCO_SIGMAS[number]) ** 2
        terms.append(math.exp(-(dx**2 + dy**2) / variance / (area + np.spacing(1)) / 2))
    return sum(terms) / len(terms)


def drawn(seed: int, images: int = 4) -> tuple[list[Detections], list[Objects]]:
    """People of all sizes, some without labelled joints, some crowds, and detections near most of them."""
    generator = np.random.default_rng(seed)
    detections, objects = [], []
    for _ in range(images):
        count = int(generator.integers(0, 6))
        corners = generator.uniform(0, 100, (count, 2))
        sides = generator.choice([20.0, 60, 150], (count, 1))
        boxes = np.concatenate([corners, corners + sides], 1)
        places = corners[:, None] + sides[:, None] * generator.uniform(size=(count, JOINTS, 2))
        seen = generator.integers(0, 3, (count, JOINTS, 1)) * (generator.uniform(size=(count, 1, 1)) < 0.8)
        crowd = generator.uniform(size=count) < 0.2
        people = np.concatenate([places, seen], 2)
        objects.append(Objects(boxes, np.zeros(count, np.int64), sides[:, 0] ** 2, crowd, np.arange(count), people))
        near = np.repeat(places, 2, axis=0) + generator.normal(0, 1, (2 * count, 1, 1)) * generator.uniform(
            0, 6, (2 * count, JOINTS, 2)
        )
        every = np.concatenate([near, places + 70])
        scores = generator.permutation(len(every)) / 50 + generator.uniform(0, 0.001)
        detections.append(Detections(np.zeros((len(every), 4)), np.zeros(len(every), np.int64), scores, every))
    return detections, objects


def naive_matches(
    detections: list[Detections], objects: list[Objects], areas: tuple[float, float], threshold: float, most: int
) -> tuple[list[tuple[float, bool]], int]:
    counted, positives = [], 0
    for found, wanted in zip(detections, objects, strict=True):
        ignored = [
            bool(wanted.crowd[number])
            or not (wanted.keypoints[number, :, 2] > 0).any()
            or not areas[0] <= wanted.areas[number] <= areas[1]
            for number in range(len(wanted))
        ]
        positives += ignored.count(False)
        taken: set[int] = set()
        for detection in sorted(range(len(found.scores)), key=lambda number: -found.scores[number])[:most]:
            joints = found.joints[detection]
            alike = [
                naive_oks(joints, wanted.keypoints[number], wanted.boxes[number], wanted.areas[number])
                for number in range(len(wanted))
            ]
            free = [number for number in range(len(wanted)) if number not in taken or wanted.crowd[number]]
            reached = [number for number in free if alike[number] >= threshold]
            reached = [number for number in reached if not ignored[number]] or reached
            if reached:
                best = max(reversed(reached), key=lambda number: alike[number])
                taken.add(best)
                if not ignored[best]:
                    counted.append((float(found.scores[detection]), True))
            elif areas[0] <= np.prod(joints.max(0) - joints.min(0)) <= areas[1]:
                counted.append((float(found.scores[detection]), False))
    return sorted(counted, key=lambda pair: -pair[0]), positives


@pytest.mark.parametrize("seed", range(4))
def test_all_metrics_of_joints_are_those_of_the_definition(seed: int) -> None:
    detections, objects = drawn(seed)
    found = CocoMatches.of(detections, objects, 1, COCO_SIGMAS).summary().metrics
    assert list(found) == list(KEYPOINT_METRICS)
    for name, metric in KEYPOINT_METRICS.items():
        values = []
        for threshold in THRESHOLDS if metric.threshold is None else [metric.threshold]:
            counted, positives = naive_matches(detections, objects, SIZES[metric.size], threshold, metric.most)
            if positives:
                values.append((naive_recall if metric.recall else naive_precision)(counted, positives))
        expected = float(np.mean(values)) if values else float("nan")
        assert found[name] == pytest.approx(expected, abs=1e-12, nan_ok=True), name


def test_oks_is_that_of_the_definition_with_and_without_labelled_joints() -> None:
    detections, objects = drawn(5)
    similarity, unlabelled = JointSimilarity(COCO_SIGMAS), 0
    for found, wanted in zip(detections, objects, strict=True):
        everything = [np.arange(len(each)) for each in (found.scores, wanted)]
        alike = similarity(found, everything[0], wanted, everything[1])
        for detection in everything[0]:
            for number in everything[1]:
                person = wanted.keypoints[number]
                unlabelled += not (person[:, 2] > 0).any()
                expected = naive_oks(found.joints[detection], person, wanted.boxes[number], wanted.areas[number])
                assert alike[detection, number] == pytest.approx(expected, rel=1e-12)
    assert unlabelled


def test_a_person_found_exactly_has_an_oks_of_one_and_at_one_standard_deviation_of_a_known_share() -> None:
    sigma, area = 0.1, 400.0
    person = np.array([[[10.0, 10, 2], [50, 50, 0]]])
    wanted = Objects(np.zeros((1, 4)), np.zeros(1, np.int64), np.array([area]), np.zeros(1, bool), np.arange(1), person)
    joints = np.array([[[10.0, 10], [0, 0]], [[10 + 2 * sigma * 20, 10], [0, 0]]])  # the second joint is not labelled
    found = Detections(np.zeros((2, 4)), np.zeros(2, np.int64), np.ones(2), joints)
    alike = JointSimilarity((sigma, sigma))(found, np.arange(2), wanted, np.arange(1))
    assert alike[:, 0].tolist() == pytest.approx([1, math.exp(-0.5)])


def test_weights_of_images_stand_for_images_that_are_there_so_often() -> None:
    detections, objects = drawn(2)
    weights = [2, 0, 1, 1]
    often = [index for index, times in enumerate(weights) for _ in range(times)]
    expected = CocoMatches.of([detections[i] for i in often], [objects[i] for i in often], 1, COCO_SIGMAS).summary()
    found = CocoMatches.of(detections, objects, 1, COCO_SIGMAS).summary(np.array(weights, dtype=float))
    assert found.metrics == pytest.approx(expected.metrics, nan_ok=True)


def test_what_has_no_joints_or_others_is_refused() -> None:
    detections, objects = drawn(1)
    everything = (np.arange(1), objects[0], np.arange(1))
    with pytest.raises(DataError, match="detections have 17 joints, people 17, and there are 3 sigmas"):
        JointSimilarity((0.1,) * 3)(detections[0], *everything)
    boxes = Detections(detections[0].boxes, detections[0].labels, detections[0].scores)
    with pytest.raises(DataError, match="OKS compares joints"):
        JointSimilarity(COCO_SIGMAS)(boxes, *everything)
