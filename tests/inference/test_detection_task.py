"""The task of detectors: what the pass asks of their outputs, and how their images are read."""

import numpy as np
import pytest
import torch
from torch import Tensor

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.detectors import create_detector
from autola_analysis.inference.stream import ObjectStream, open_stream
from autola_analysis.inference.tasks import Detection
from autola_analysis.inference.tasks.detection import detections_of, input_of, is_detector, number_of_classes
from tests.analyses.evaluate.detection.planted import Rectangles
from tests.detectors.helpers import SMALL, TINY, TINY_SSD


def output(box: list[float], label: int = 1, score: float = 0.5) -> dict[str, Tensor]:
    return {"boxes": torch.tensor([box]), "labels": torch.tensor([label]), "scores": torch.tensor([score])}


def test_detections_are_in_shares_of_the_image_and_labels_count_from_zero() -> None:
    (found,) = detections_of([output([10, 5, 20, 15], label=3)], (20, 40))
    assert found.boxes.tolist() == [[0.25, 0.25, 0.5, 0.75]]
    assert found.labels.tolist() == [2]
    assert found.boxes.dtype == found.scores.dtype == np.float64


def test_outputs_are_the_same_up_to_rounding_alone() -> None:
    task, one = Detection(), output([1, 1, 9, 9])
    assert task.same([one], [output([1.01, 1, 9, 9], score=0.50001)])
    assert not task.same([one], [output([1.5, 1, 9, 9])])
    assert not task.same([one], [output([1, 1, 9, 9], label=2)])
    assert not task.same([one], [output([1, 1, 9, 9], score=0.6)])
    assert not task.same([one], [{key: value[:0] for key, value in one.items()}])
    assert task.depends_on_batch([output([1.5, 1, 9, 9])], [one])
    assert not task.depends_on_batch([one], [one, output([0, 0, 1, 1])])


def test_values_that_are_not_finite_are_found() -> None:
    outputs = [output([1, 1, 9, float("nan")]), output([1, 1, 9, 9]), output([1, 1, 9, 9], score=float("inf"))]
    assert Detection().finite(outputs).tolist() == [False, True, False]


@pytest.mark.parametrize("wrong", [torch.zeros(2, 3), [], [{"boxes": torch.zeros(0, 4)}] * 2])
def test_other_outputs_are_refused(wrong: object) -> None:
    with pytest.raises(DataError, match="a dict with boxes, labels, scores for every image"):
        Detection().check(wrong, 2)


def test_a_score_is_not_read_from_detections() -> None:
    with pytest.raises(OptionError, match="explain the score of a candidate"):
        Detection().score()


def test_detectors_are_told_with_their_classes_and_what_becomes_of_their_images() -> None:
    ssd = create_detector("ssd300", classes=5, **TINY_SSD)
    assert (is_detector(ssd), number_of_classes(ssd), input_of(ssd)) == (True, 5, Preprocessing(stretch=64))
    faster = create_detector("faster-rcnn", classes=5, **TINY, **SMALL)
    assert (is_detector(faster), number_of_classes(faster), input_of(faster)) == (True, 5, Preprocessing())
    assert not is_detector(create_detector("pose", classes=5, **TINY))


def test_a_batch_holds_images_of_one_size_and_every_image_is_read_once() -> None:
    source = Rectangles(7)
    stream = ObjectStream(source, Preprocessing(), batch_size=2)
    batches = list(stream.batches())
    assert [batch.indices.tolist() for batch in batches] == [[0, 3], [6], [1, 2], [4, 5]]
    assert [tuple(batch.images.shape[-2:]) for batch in batches] == [(32, 24), (32, 24), (24, 32), (24, 32)]
    assert [len(target) for target in batches[2].targets] == [2, 1]
    part = batches[2].part(1, 2)
    assert len(part.targets) == 1
    assert [batch.indices.tolist() for batch in stream.batches(1, 2)] == [[6], [4, 5]]


def test_stretched_images_share_batches_whatever_their_size() -> None:
    stream = open_stream(Rectangles(3), Preprocessing(stretch=16), batch_size=3)
    (batch,) = stream.batches()
    assert batch.images.shape == (3, 3, 16, 16)
    assert stream.images == 3
