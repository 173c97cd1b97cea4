"""Default boxes of SSD300 against the reference code, written out."""

import itertools
import math

import pytest
import torch
from torchvision.models.detection.image_list import ImageList

from autola_analysis.backbones.building import build_outline
from autola_analysis.detectors import create_detector

STEPS, SCALES = (8, 16, 32, 64, 100, 300), (21, 45, 99, 153, 207, 261, 315)
RATIOS, GRIDS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)), (38, 19, 10, 5, 3, 1)


def reference() -> torch.Tensor:
    """Centre x, centre y, width, height in shares of the image, by level, row, column, shape."""
    boxes = []
    for level, grid in enumerate(GRIDS):
        size, between = SCALES[level] / 300, math.sqrt(SCALES[level] * SCALES[level + 1]) / 300
        shapes = [(size, size), (between, between)]
        for ratio in RATIOS[level]:
            wide, narrow = size * math.sqrt(ratio), size / math.sqrt(ratio)
            shapes += [(wide, narrow), (narrow, wide)]
        for row, column in itertools.product(range(grid), repeat=2):
            centre = (column + 0.5) * STEPS[level] / 300, (row + 0.5) * STEPS[level] / 300
            boxes += [[*centre, *shape] for shape in shapes]
    return torch.tensor(boxes, dtype=torch.float64).clamp(0, 1)


@pytest.fixture(scope="module")
def boxes() -> torch.Tensor:
    generator = build_outline(lambda: create_detector("ssd300")).anchor_generator
    with torch.device("cpu"):
        generator._wh_pairs = generator._generate_wh_pairs(6)
        maps = [torch.zeros(1, 1, side, side) for side in GRIDS]
        (found,) = generator(ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)]), maps)
    return found


def test_the_boxes_are_those_of_the_reference_code(boxes: torch.Tensor) -> None:
    centres, sides = reference().split(2, dim=1)
    expected = torch.cat([centres - sides / 2, centres + sides / 2], 1) * 300
    torch.testing.assert_close(boxes.double(), expected, atol=1e-4, rtol=0)


def test_count_and_golden_values(boxes: torch.Tensor) -> None:
    assert len(boxes) == 8732 == 5776 + 2166 + 600 + 150 + 36 + 4
    centres = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1) / 300
    first, last = torch.tensor([4 / 300, 4 / 300, 0.07, 0.07]), torch.tensor([0.5, 0.5, 0.615183, 1.0])
    torch.testing.assert_close(centres[0], first, atol=1e-6, rtol=0)
    torch.testing.assert_close(centres[-1], last, atol=1e-6, rtol=0)
