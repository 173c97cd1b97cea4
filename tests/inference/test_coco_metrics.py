"""COCO's metrics: against its definition, one detection at a time, and against the sum of their parts."""

import numpy as np
import pytest

from autola_analysis.core.objects import Objects
from autola_analysis.inference.tasks.average_precision import THRESHOLDS, Detections
from autola_analysis.inference.tasks.coco_metrics import METRICS, SIZES, CocoMatches
from tests.inference.naive_coco import naive_matches, naive_precision, naive_recall

CLASSES = 3


def drawn(seed: int, images: int = 4) -> tuple[list[Detections], list[Objects]]:
    """Objects of all sizes, some of them crowds, and detections near most of them."""
    generator = np.random.default_rng(seed)
    detections, objects = [], []
    for _ in range(images):
        count = int(generator.integers(0, 7))
        corners = generator.uniform(0, 100, (count, 2))
        boxes = np.concatenate([corners, corners + generator.choice([20.0, 60, 150], (count, 1))], 1)
        labels = generator.integers(0, CLASSES - 1, count)  # the last class has no object
        crowd = generator.uniform(size=count) < 0.2
        objects.append(Objects(boxes, labels, (boxes[:, 2:] - boxes[:, :2]).prod(1), crowd, np.arange(count)))
        near = np.repeat(boxes, 2, axis=0) + generator.normal(0, 3, (2 * count, 4))
        far = np.concatenate([corners, corners + 25], 1) + 40
        every = np.concatenate([near, far])
        scores = generator.permutation(len(every)) / 50 + generator.uniform(0, 0.001)
        detections.append(Detections(every, generator.integers(0, CLASSES, len(every)), scores))
    return detections, objects


def naive_metric(name: str, detections: list[Detections], objects: list[Objects]) -> float:
    metric = METRICS[name]
    values = []
    for label in range(CLASSES):
        for threshold in THRESHOLDS if metric.threshold is None else [metric.threshold]:
            # precision looks at the 100 strongest, recall at as many as it says
            counted, positives = naive_matches(detections, objects, label, SIZES[metric.size], threshold, metric.most)
            if positives:
                values.append((naive_recall if metric.recall else naive_precision)(counted, positives))
    return float(np.mean(values)) if values else float("nan")


@pytest.mark.parametrize("seed", range(4))
def test_all_metrics_are_those_of_the_definition(seed: int) -> None:
    detections, objects = drawn(seed)
    found = CocoMatches.of(detections, objects, CLASSES).summary().metrics
    for name in METRICS:
        assert found[name] == pytest.approx(naive_metric(name, detections, objects), abs=1e-12, nan_ok=True), name


def test_a_class_and_the_curves_are_what_the_metrics_are_the_mean_of() -> None:
    matches = CocoMatches.of(*drawn(1), CLASSES)
    summary = matches.summary()
    assert np.isnan(summary.class_ap).tolist() == [False, False, True]
    assert summary.metrics["ap"] == pytest.approx(np.nanmean(summary.class_ap), abs=1e-15)
    assert summary.metrics["ap50"] == pytest.approx(np.nanmean(summary.class_ap50), abs=1e-15)
    assert summary.curves.mean(1).tolist() == pytest.approx([summary.metrics[name] for name in ("ap50", "ap75")])


def test_objects_that_count_leave_out_crowds_and_other_sizes() -> None:
    _, objects = drawn(2)
    matches = CocoMatches.of([Detections(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0))] * 4, objects, CLASSES)
    plain = [area for each in objects for area, crowd in zip(each.areas, each.crowd, strict=True) if not crowd]
    assert matches.objects() == len(plain)
    for size, (low, high) in SIZES.items():
        assert matches.objects(size) == sum(low <= area <= high for area in plain)
