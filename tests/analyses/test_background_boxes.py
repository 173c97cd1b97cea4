"""Boxes of background: where they lie, how large they are, what decides them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from autola_analysis.analyses.background_boxes import background_boxes, with_background
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.core.errors import DataError, OptionError
from tests.analyses.objects import Shapes


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_boxes_lie_in_the_image_beside_all_objects_and_are_of_their_shape(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    corners = np.sort(generator.random((count, 2, 2)), axis=1)
    corners[:, 1] += 1e-3
    annotated = np.clip(corners.reshape(count, 4), 0, 1)
    boxes, numbers, areas = background_boxes(annotated[: count // 2 + 1], annotated, generator)
    assert len(boxes) == len(numbers) == len(areas) <= count // 2 + 1
    assert len(np.unique(numbers)) == len(numbers)
    assert (boxes >= 0).all()
    assert (boxes <= 1).all()
    if len(boxes):
        assert box_iou(torch.from_numpy(boxes), torch.from_numpy(annotated)).max() < 0.1
    sides, own = ((each[:, 2:] - each[:, :2]) for each in (boxes, annotated[numbers]))
    np.testing.assert_allclose(sides, own * np.sqrt(areas)[:, None], rtol=1e-9)


def test_a_small_box_does_not_lie_inside_a_large_object() -> None:
    """Its overlap with the large object, as IoU, would be small enough."""
    small, large = [0.9, 0.9, 0.94, 0.94], [0.0, 0, 1, 0.8]
    for seed in range(20):
        boxes, _, areas = background_boxes(np.array([small]), np.array([small, large]), np.random.default_rng(seed))
        assert boxes[0, 3] > 0.8
        assert areas[0] == 1
        assert 0.8 - boxes[0, 1] < 0.1 * 0.04


def test_an_object_that_fills_the_image_leaves_no_room_and_one_that_nearly_does_a_smaller_box() -> None:
    whole, most = np.array([[0.0, 0, 1, 1]]), np.array([[0.0, 0, 1, 0.7]])
    assert len(background_boxes(whole, whole, np.random.default_rng(0))[0]) == 0
    assert 0 < background_boxes(most, most, np.random.default_rng(0))[2][0] < 0.5


def test_items_are_as_many_boxes_as_objects_decided_by_the_seed_and_the_image_alone() -> None:
    source = Shapes()
    objects = ObjectItems.of(source)
    items, again, other = (with_background(objects, source, seed) for seed in (0, 0, 1))
    assert items.hash == again.hash != other.hash
    beside = items.labels == len(source.classes)
    assert (len(items), items.classes_beside) == (len(objects) + beside.sum(), ("background",))
    per_image = [np.bincount(each, minlength=30) for each in (items.images[beside], objects.images)]
    assert (per_image[0] <= per_image[1]).all()
    assert (per_image[0] == per_image[1]).mean() > 0.7
    assert (np.diff(items.images) >= 0).all()
    assert items.at(np.flatnonzero(~beside)).hash == objects.hash
    assert [items.names[row] for row in np.flatnonzero(beside)] == [source.ids[each] for each in items.images[beside]]
    assert len(set(items.ids)) == len(items)
    few = with_background(ObjectItems.of(Shapes(33)), Shapes(33), 0)
    first = few.at(np.flatnonzero(few.images < 30))
    np.testing.assert_array_equal(first.boxes, items.boxes)


def test_boxes_without_room_and_a_class_of_that_name_are_refused() -> None:
    whole = Shapes(whole=True)
    with pytest.raises(DataError, match=r"have room for 0 boxes beside .* leave out --background"):
        with_background(ObjectItems.of(whole), whole, 0)
    named = Shapes()
    named.classes = ("red", "green", "background")
    with pytest.raises(OptionError, match=r"shapes has a class 'background' of its own"):
        with_background(ObjectItems.of(named), named, 0)


def test_whole_images_are_items_once_for_every_class() -> None:
    objects = ObjectItems.of(Shapes())
    images = replace(objects, labels=np.zeros_like(objects.labels)).as_images()
    assert (len(images), images.what, images.images.tolist()) == (30, "images", list(range(30)))
    assert (images.boxes == [0, 0, 1, 1]).all()
    pairs = {(image, label) for image, label in zip(objects.images.tolist(), objects.labels.tolist(), strict=True)}
    found = objects.as_images()
    assert set(zip(found.images.tolist(), found.labels.tolist(), strict=True)) == pairs
    assert len(found) == len(pairs)
