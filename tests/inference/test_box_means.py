"""Means over boxes: against masks and against overlaps written out; which part of an input an image fills."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.detectors import create_detector
from autola_analysis.inference.box_means import box_means, mask_means
from autola_analysis.inference.input_area import InputArea
from tests.detectors.helpers import SMALL, TINY, TINY_SSD


def interval(side: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, side - 1), st.integers(1, side)).filter(lambda ends: ends[0] < ends[1])


@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 5), st.integers(0, 99), st.data())
def test_separable_weights_are_the_mean_over_a_mask(
    height: int, width: int, stride: int, seed: int, data: st.DataObject
) -> None:
    maps = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    down, across = stride * height, stride * width
    boxes = [(*data.draw(interval(across)), *data.draw(interval(down))) for _ in range(4)]
    large = maps.numpy().astype(np.float64).repeat(stride, 1).repeat(stride, 2)
    expected = [large[:, y1:y2, x1:x2].mean((1, 2)) for x1, x2, y1, y2 in boxes]
    found = box_means(
        maps, torch.tensor([[x1 / across, y1 / down, x2 / across, y2 / down] for x1, x2, y1, y2 in boxes])
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-6)


def test_boxes_at_any_place_weigh_cells_by_their_overlap() -> None:
    generator = np.random.default_rng(0)
    maps = torch.from_numpy(generator.random((2, 4, 5), dtype=np.float32))
    corners = np.sort(generator.random((6, 2, 2)), axis=1)
    boxes = corners.reshape(6, 4)
    expected = np.zeros((6, 2))
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        for i in range(4):
            for j in range(5):
                high = max(0.0, min(y2, (i + 1) / 4) - max(y1, i / 4))
                wide = max(0.0, min(x2, (j + 1) / 5) - max(x1, j / 5))
                expected[number] += high * wide / ((y2 - y1) * (x2 - x1)) * maps[:, i, j].numpy().astype(np.float64)
    np.testing.assert_allclose(box_means(maps, torch.from_numpy(boxes)).numpy(), expected, rtol=1e-6)


def test_the_whole_map_gives_its_mean_in_any_memory_format() -> None:
    maps = torch.rand(1, 8, 6, 7)
    whole = torch.tensor([[0.0, 0, 1, 1]])
    for each in (maps, maps.to(memory_format=torch.channels_last)):
        torch.testing.assert_close(box_means(each[0], whole), maps.mean((2, 3)), rtol=1e-6, atol=0)


def test_half_precision_is_averaged_in_float32() -> None:
    maps = torch.full((1, 64, 64), 1.001, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = box_means(maps, torch.tensor([[0.1, 0.1, 0.9, 0.9]]))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(maps[0, 0, 0].item(), rel=1e-6)


def test_an_image_fills_the_input_but_for_what_pads_it() -> None:
    ssd = InputArea(create_detector("ssd300", classes=2, **TINY_SSD))
    assert ssd.shares(64, 64) == ssd.shares(30, 90) == (1, 1)
    model = create_detector("faster-rcnn", classes=2, **TINY, **SMALL).train()
    regions = InputArea(model)
    assert regions.shares(100, 150) == (144 / 160, 1)  # 96 x 144, padded to multiples of 32
    assert regions.shares(192, 192) == (1, 1)
    assert model.transform.training
    assert InputArea(torch.nn.Linear(1, 1)).shares(3, 5) == (1, 1)


def test_masks_weigh_cells_by_how_much_of_them_lies_there() -> None:
    generator = np.random.default_rng(1)
    maps, mask = torch.from_numpy(generator.random((3, 4, 6), dtype=np.float32)), generator.random((20, 18)) < 0.4
    large = maps.numpy().astype(np.float64).repeat(5, 1).repeat(3, 2)  # every pixel has the cell that it lies in
    expected = large[:, mask].mean(1)
    found = mask_means(maps, [torch.from_numpy(mask), torch.zeros(20, 18)], (1.0, 1.0))
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-6)
    assert found[1].isnan().all()
    padded = mask_means(maps, [torch.from_numpy(mask[:, :9])], (0.5, 1.0))  # the image fills the left half
    np.testing.assert_allclose(padded[0].numpy(), large[:, :, :9][:, mask[:, :9]].mean(1), atol=1e-6)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 6), st.integers(1, 6), st.data())
def test_a_mask_that_is_a_box_gives_what_the_box_gives(
    rows: int, columns: int, height: int, width: int, data: st.DataObject
) -> None:
    maps = torch.rand(2, height, width, generator=torch.Generator().manual_seed(rows))
    (y1, y2), (x1, x2) = data.draw(interval(rows)), data.draw(interval(columns))
    mask = torch.zeros(rows, columns, dtype=torch.bool)
    mask[y1:y2, x1:x2] = True
    box = torch.tensor([[0.75 * x1 / columns, 0.5 * y1 / rows, 0.75 * x2 / columns, 0.5 * y2 / rows]])
    torch.testing.assert_close(mask_means(maps, [mask], (0.75, 0.5)), box_means(maps, box), atol=1e-5, rtol=0)
