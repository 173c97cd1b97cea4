"""COCO's evaluation of boxes as its definition reads: one detection, object and threshold at a time."""

import numpy as np

from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import Detections


def overlap(one: np.ndarray, other: np.ndarray, crowd: bool) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / (areas[0] if crowd else areas[0] + areas[1] - across * down)


def naive_matches(
    detections: list[Detections], objects: list[Objects], label: int, areas: tuple[float, float], threshold: float,
    most: int,
) -> tuple[list[tuple[float, bool]], int]:  # fmt: skip
    """Return (score, right) of the detections that count, and how many objects count."""
    counted, positives = [], 0
    for found, wanted in zip(detections, objects, strict=True):
        truth = [number for number in range(len(wanted)) if wanted.labels[number] == label]
        ignored = {
            number: bool(wanted.crowd[number]) or not areas[0] <= wanted.areas[number] <= areas[1] for number in truth
        }
        positives += sum(not value for value in ignored.values())
        taken: set[int] = set()
        own = [number for number in range(len(found.labels)) if found.labels[number] == label]
        for detection in sorted(own, key=lambda number: -found.scores[number])[:most]:
            box = found.boxes[detection]
            best, largest = None, 0.0
            for kind in (False, True):
                for number in truth:
                    shared = overlap(box, wanted.boxes[number], bool(wanted.crowd[number]))
                    free = number not in taken or wanted.crowd[number]
                    if best is not None and ignored[best] != kind:
                        continue
                    if ignored[number] == kind and free and shared >= max(threshold, largest):
                        best, largest = number, shared
            area = (box[2] - box[0]) * (box[3] - box[1])
            if best is None and areas[0] <= area <= areas[1]:
                counted.append((float(found.scores[detection]), False))
            if best is not None:
                taken.add(best)
                if not ignored[best]:
                    counted.append((float(found.scores[detection]), True))
    return sorted(counted, key=lambda pair: -pair[0]), positives


def naive_precision(counted: list[tuple[float, bool]], positives: int) -> float:
    """Return the mean, over 101 recalls, of the largest precision at a recall or a higher one."""
    points, right = [], 0
    for rank, (_, hit) in enumerate(counted, start=1):
        right += hit
        points.append((right / positives, right / rank))
    recalls = [step / 100 for step in range(101)]
    return float(np.mean([max((p for r, p in points if r >= recall - 1e-12), default=0.0) for recall in recalls]))


def naive_recall(counted: list[tuple[float, bool]], positives: int) -> float:
    return sum(hit for _, hit in counted) / positives
