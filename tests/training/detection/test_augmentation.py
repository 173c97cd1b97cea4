"""Augmentation of images with boxes: boxes follow their pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.core.objects import Objects
from autola_analysis.data import cluttered_scenes
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.training.batches import BatchPlan
from autola_analysis.training.detection.augmentation import BoxedImage, cropped, mirrored, recoloured
from autola_analysis.training.detection.images import AugmentedObjects, trained_on
from tests.training.detection.conftest import tiny

SIDES = (60, 80)


def painted(boxes: list[tuple[int, int, int, int]]) -> BoxedImage:
    """An image that is 10 * (n + 1) inside box n, and 0 elsewhere."""
    pixels = np.zeros((*SIDES, 3), dtype=np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes):
        pixels[top:bottom, left:right] = 10 * (number + 1)
    return BoxedImage(pixels, np.array(boxes, dtype=np.float64), np.arange(len(boxes)))


APART = painted([(5, 5, 25, 20), (40, 10, 70, 50), (10, 35, 30, 55)])


def boxes_of_pixels(image: BoxedImage) -> dict[int, list[float]]:
    """The tight box of every painted value that is left."""
    found = {}
    for number in range(3):
        rows, columns = np.nonzero(image.pixels[..., 0] == 10 * (number + 1))
        if len(rows):
            found[number] = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_boxes_of_a_crop_are_those_of_its_pixels(seed: int) -> None:
    generator = np.random.default_rng(seed)
    image = cropped(APART, generator)
    expected = boxes_of_pixels(image)
    for label, box in zip(image.labels, image.boxes, strict=True):
        assert box.tolist() == expected[label]
    height, width = image.pixels.shape[:2]
    assert len(image.labels) >= 1
    assert 0.3 * SIDES[1] - 1 <= width <= SIDES[1]
    assert 0.3 * SIDES[0] - 1 <= height <= SIDES[0]


def test_a_box_is_kept_exactly_where_its_centre_is_inside() -> None:
    for seed in range(200):
        image = cropped(APART, np.random.default_rng(seed))
        for label, box in boxes_of_pixels(image).items():
            whole = APART.boxes[label, 2:] - APART.boxes[label, :2]
            if label not in image.labels:  # then less than the half of a side is left
                left = np.array(box[2:]) - np.array(box[:2])
                assert (left <= whole / 2 + 1).any()


def test_a_crop_without_a_rule_may_leave_a_box_out_whole() -> None:
    corners = painted([(0, 0, 16, 12), (64, 48, 80, 60)])
    crops = [cropped(corners, np.random.default_rng(seed)) for seed in range(200)]
    assert any(len(boxes_of_pixels(each)) == 1 for each in crops)


def test_crops_leave_the_image_as_it_is_in_a_seventh_and_more() -> None:
    """A rule that is drawn counts again where its crop fails, so that whole images are more than a seventh."""
    whole = sum(cropped(APART, np.random.default_rng(seed)) is APART for seed in range(400))
    assert 400 / 7 < whole < 350


def test_a_mirrored_image_has_mirrored_boxes_half_of_the_time() -> None:
    turned = 0
    for seed in range(200):
        image = mirrored(APART, np.random.default_rng(seed))
        assert {label: box.tolist() for label, box in zip(image.labels, image.boxes, strict=True)} == boxes_of_pixels(
            image
        )
        turned += image is not APART
    assert 70 < turned < 130


def test_colours_move_and_shapes_stay() -> None:
    pixels = torch.randint(0, 256, (3, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    one, again, other = (recoloured(pixels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert (one.shape, one.dtype) == (pixels.shape, torch.uint8)
    assert abs(float(one.float().mean() - pixels.float().mean())) < 60


def images(**values: str) -> AugmentedObjects:
    source = cluttered_scenes.ClutteredScenes("train", 4)
    return AugmentedObjects(source, tiny(**values), Preprocessing(stretch=64), 0)


def test_boxes_are_those_of_the_network_s_input_and_labels_count_from_1() -> None:
    dataset = images(crop="false")
    batch = dataset[BatchPlan([2, 0], 5)]
    assert [tuple(image.shape) for image in batch.images] == [(3, 64, 64)] * 2
    assert batch.seed == 5
    for target, index in zip(batch.targets, (2, 0), strict=True):
        objects = dataset.source.objects(index)
        torch.testing.assert_close(target["boxes"], torch.tensor(objects.boxes * 64 / 160).float())
        assert target["labels"].tolist() == (objects.labels + 1).tolist()


def test_a_batch_follows_from_its_plan_alone() -> None:
    first, second = images(colour="true"), images(colour="true")
    second[BatchPlan([3], 9)]
    one, same, other = first[BatchPlan([1], 5)], second[BatchPlan([1], 5)], second[BatchPlan([1], 6)]
    assert torch.equal(one.images[0], same.images[0])
    assert torch.equal(one.targets[0]["boxes"], same.targets[0]["boxes"])
    assert not torch.equal(one.images[0], other.images[0])


@pytest.mark.parametrize(("crowds", "expected"), [("false", [0]), ("true", [0, 1])])
def test_crowds_are_trained_on_where_the_recipe_says_so(crowds: str, expected: list[int]) -> None:
    boxes = np.array([[0, 0, 5, 5], [1, 1, 9, 9], [3, 3, 3, 8]], dtype=np.float64)
    objects = Objects(boxes, np.zeros(3, np.int64), np.ones(3), np.array([False, True, False]), np.arange(3))
    assert trained_on(objects, tiny(crowds=crowds)).tolist() == expected
