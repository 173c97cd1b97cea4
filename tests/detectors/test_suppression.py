"""From scores to detections: the definition, written as two loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.detectors.suppression import Suppression
from tests.detectors.helpers import naive_suppression, random_boxes


def naive(keep: Suppression, boxes: torch.Tensor, probabilities: torch.Tensor) -> list[tuple[int, int]]:
    """Return (candidate, label) of the detections, strongest first."""
    detections = []
    for label in range(1, probabilities.shape[1]):
        scores, own = probabilities[:, label], boxes[:, label if boxes.shape[1] > 1 else 0]
        large = (own[:, 2] - own[:, 0] >= keep.least_side) & (own[:, 3] - own[:, 1] >= keep.least_side)
        order = [i for i in scores.argsort(descending=True).tolist() if scores[i] > keep.threshold]
        order = [i for i in order[: keep.most_of_class] if large[i]]
        kept = naive_suppression(own[order], scores[order], keep.overlap)
        detections += [(float(scores[order[i]]), order[i], label) for i in kept]
    return [(candidate, label) for _, candidate, label in sorted(detections, reverse=True)[: keep.most]]


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10_000),
    st.booleans(),
    st.sampled_from([None, 1, 5]),
    st.sampled_from([3, 100]),
    st.sampled_from([-60.0, 0.0]),
    st.sampled_from([0.0, 20.0]),
)
def test_detections_are_those_of_the_definition(
    seed: int, by_class: bool, most_of_class: int | None, most: int, corner: float, side: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    candidates, outputs = 30, 4
    shapes = outputs if by_class else 1
    boxes = random_boxes(candidates * shapes, 60, generator).double().view(candidates, shapes, 4) + corner
    probabilities = torch.rand(candidates, outputs, generator=generator).double().mul(2).softmax(1)
    keep = Suppression(0.2, 0.4, most, most_of_class, side)
    detections = keep(boxes, probabilities)
    pairs = list(zip(detections["candidates"].tolist(), detections["labels"].tolist(), strict=True))
    assert pairs == naive(keep, boxes, probabilities)
    rows = detections["candidates"], detections["labels"]
    assert torch.equal(detections["scores"], probabilities[rows])
    assert torch.equal(detections["boxes"], boxes[rows[0], rows[1] if by_class else 0])


@pytest.mark.parametrize("most_of_class", [None, 3])
def test_nothing_above_the_threshold_is_no_detection(most_of_class: int | None) -> None:
    detections = Suppression(0.9, 0.5, 10, most_of_class)(torch.rand(5, 1, 4), torch.full((5, 3), 1 / 3))
    assert {name: tuple(each.shape) for name, each in detections.items()} == {
        "boxes": (0, 4),
        "labels": (0,),
        "scores": (0,),
        "candidates": (0,),
    }
