"""COCO's metrics and masks beside pycocotools, which readers of a paper know them by."""

import contextlib
import io
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from autola_analysis.core.objects import COCO_SIGMAS, Objects
from autola_analysis.data.run_lengths import lengths_of, mask_of, unpack
from autola_analysis.inference.tasks.average_precision import Detections
from autola_analysis.inference.tasks.coco_metrics import KEYPOINT_METRICS, METRICS, CocoMatches
from tests.inference import test_coco_metrics as boxes
from tests.inference import test_keypoint_metrics as joints


def pycocotools_metrics(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    classes: int,
    sigmas: Sequence[float] | None = None,
    order: Sequence[int] | None = None,
) -> dict[str, float]:
    """Its summary of some images, each as often as `order` names it."""
    order = range(len(objects)) if order is None else order
    annotations, results = [], []
    for image, place in enumerate(order):
        annotations += _entries(objects[place].boxes, objects[place].labels, image, objects[place].keypoints)
        for entry, area, crowd in zip(
            annotations[len(annotations) - len(objects[place]) :],
            objects[place].areas.tolist(),
            objects[place].crowd.tolist(),
            strict=True,
        ):
            entry |= {"area": area, "iscrowd": int(crowd)}
        found = detections[place]
        for entry, score in zip(
            _entries(found.boxes, found.labels, image, found.joints), found.scores.tolist(), strict=True
        ):
            if sigmas is not None:
                del entry["bbox"]  # whose area would count else, rather than the joints'
            results.append(entry | {"score": score})
    for number, entry in enumerate(annotations, 1):
        entry["id"] = number
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": image} for image in range(len(order))],
        "categories": [{"id": label} for label in range(classes)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox" if sigmas is None else "keypoints")
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = METRICS if sigmas is None else KEYPOINT_METRICS
    values = [float("nan") if value == -1 else float(value) for value in evaluation.stats]
    return dict(zip(names, values, strict=True))


def _entries(corners: np.ndarray, labels: np.ndarray, image: int, places: np.ndarray | None) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = []
    for number, ((x1, y1, x2, y2), label) in enumerate(zip(corners.tolist(), labels.tolist(), strict=True)):
        entry = {"image_id": image, "category_id": label, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        if places is not None:
            visible = places[number] if places.shape[-1] == 3 else np.pad(places[number], ((0, 0), (0, 1)))
            entry |= {"keypoints": visible.reshape(-1).tolist(), "num_keypoints": int((visible[:, 2] > 0).sum())}
        entries.append(entry)
    return entries


def assert_alike(found: Mapping[str, float], wanted: Mapping[str, float]) -> None:
    assert len(wanted) > 9
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_boxes_are_pycocotools(seed: int) -> None:
    detections, objects = boxes.drawn(seed, images=12)
    found = CocoMatches.of(detections, objects, boxes.CLASSES).summary().metrics
    assert_alike(found, pycocotools_metrics(detections, objects, boxes.CLASSES))


@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_joints_are_pycocotools(seed: int) -> None:
    detections, objects = joints.drawn(seed, images=12)
    found = CocoMatches.of(detections, objects, 1, COCO_SIGMAS).summary().metrics
    assert_alike(found, pycocotools_metrics(detections, objects, 1, COCO_SIGMAS))


def test_weights_of_images_are_pycocotools_on_images_that_are_there_more_often() -> None:
    detections, objects = boxes.drawn(3, images=6)
    weights = np.array([2.0, 0, 1, 3, 1, 0])
    order = np.repeat(np.arange(6), weights.astype(int)).tolist()
    found = CocoMatches.of(detections, objects, boxes.CLASSES).summary(weights).metrics
    wanted = pycocotools_metrics(detections, objects, boxes.CLASSES, order=order)
    assert_alike(found, wanted)


@pytest.mark.parametrize("seed", range(3))
def test_masks_are_read_and_written_as_pycocotools_does(seed: int) -> None:
    mask = np.random.default_rng(seed).uniform(size=(37, 53)) < 0.4
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert np.array_equal(mask_of(unpack(packed["counts"].decode()), 37, 53), mask)
    plain = coco_mask.frPyObjects({"size": [37, 53], "counts": lengths_of(mask)}, 37, 53)
    assert np.array_equal(coco_mask.decode(plain).astype(bool), mask)
