"""Anchors, coder and matcher of mmdetection: numbers computed by hand."""

import math

import pytest
import torch
from torchvision.models.detection.image_list import ImageList

from autola_analysis.detectors.anchors import ClippedCoder, ExactAnchors, LowQualityMatcher


def test_anchors_are_exact_and_lie_at_multiples_of_the_stride() -> None:
    anchors = ExactAnchors((4, 64), 8)
    maps = [torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 1, 1)]
    one, two = anchors(ImageList(torch.zeros(2, 3, 61, 61), [(8, 12), (8, 12)]), maps)
    assert torch.equal(one, two)
    assert one.shape == (2 * 3 * 3 + 3, 4)
    long, short = 16 * math.sqrt(2), 16 / math.sqrt(2)
    assert (long, short) == pytest.approx((22.627, 11.314), abs=5e-4)
    cell = torch.tensor([[-long, -short, long, short], [-16, -16, 16, 16], [-short, -long, short, long]])
    torch.testing.assert_close(one[:3], cell)
    torch.testing.assert_close(one[9:12], cell + torch.tensor([0, 4, 0, 4]))  # second row of cells
    torch.testing.assert_close(one[15:18], cell + torch.tensor([8, 4, 8, 4]))
    torch.testing.assert_close(one[18:], 16 * cell)


def test_the_coder_bounds_growth_and_shrinkage() -> None:
    coder = ClippedCoder((1.0, 1.0, 1.0, 1.0))
    box = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    codes = torch.tensor([[0.0, 0, 100, -100, 0, 0, 1, -1]])
    decoded = coder.decode_single(codes, box).view(2, 4)
    sides = decoded[:, 2:] - decoded[:, :2]
    expected = torch.tensor([[500.0, 8 * 16 / 1000], [8 * math.e, 8 / math.e]])
    torch.testing.assert_close(sides, expected, rtol=1e-5, atol=1e-5)
    weighted = ClippedCoder((10.0, 10.0, 5.0, 5.0))
    decoded = weighted.decode_single(torch.tensor([[5.0, 0, 0, -100]]), box)
    torch.testing.assert_close(decoded, torch.tensor([[4.0, 3.936, 12.0, 4.064]]))


def test_an_object_takes_its_best_anchors_from_the_least_overlap_on() -> None:
    overlaps = torch.tensor(
        [
            [0.8, 0.1, 0.40, 0.2, 0.0],  # matched by the threshold
            [0.0, 0.5, 0.45, 0.5, 0.0],  # both anchors of 0.5
            [0.0, 0.0, 0.46, 0.0, 0.0],  # the third, though it is not the anchor's choice alone
            [0.0, 0.0, 0.00, 0.0, 0.29],  # too little: stays background
        ]
    )
    matches = LowQualityMatcher(0.7, 0.3, allow_low_quality_matches=True)(overlaps)
    assert matches.tolist() == [0, 1, 2, 1, -1]


def test_an_anchor_given_to_an_object_need_not_overlap_it_most() -> None:
    overlaps = torch.tensor([[0.6, 0.65], [0.5, 0.0]])
    assert LowQualityMatcher(0.7, 0.3, allow_low_quality_matches=True)(overlaps).tolist() == [1, 0]
