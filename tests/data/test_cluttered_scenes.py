"""cluttered-scenes: a function of seed, split and index; objects with exact masks; the way through COCO's format."""

from pathlib import Path

import numpy as np
import pytest
from torch import from_numpy
from torchvision.ops import box_iou

from autola_analysis.core.errors import OptionError
from autola_analysis.data.cluttered_scenes import ClutteredScenes, make_digit_scene
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.coco_export import export_coco

IMAGES = 60


@pytest.fixture(scope="module")
def source() -> ClutteredScenes:
    return ClutteredScenes("train", IMAGES)


def test_a_scene_is_a_function_of_seed_split_and_index(source: ClutteredScenes) -> None:
    make_digit_scene.cache_clear()
    again = ClutteredScenes("train", 2)
    assert np.array_equal(np.asarray(again.image(1)), np.asarray(source.image(1)))
    others = [ClutteredScenes("test", 2), ClutteredScenes("train", 2, seed=1)]
    assert not any(np.array_equal(np.asarray(each.image(1)), np.asarray(source.image(1))) for each in others)
    assert len({each.fingerprint() for each in (*others, again, source)}) == 4


def test_boxes_are_tight_and_areas_those_of_the_masks(source: ClutteredScenes) -> None:
    for index in range(10):
        objects = source.objects(index)
        for number, (x1, y1, x2, y2) in enumerate(objects.boxes.astype(int)):
            mask = source.object_mask(index, number)
            assert objects.areas[number] == mask.sum() == mask[y1:y2, x1:x2].sum()
            inner = mask[y1:y2, x1:x2]
            assert inner[0].any()
            assert inner[-1].any()
            assert inner[:, 0].any()
            assert inner[:, -1].any()


def test_digits_keep_apart_and_are_each_seen(source: ClutteredScenes) -> None:
    counts, paired = np.zeros(5, dtype=int), 0
    for index in range(IMAGES):
        objects, masks = source.objects(index), source.scene(index).masks
        boxes = from_numpy(objects.boxes)
        counts[len(objects)] += 1
        paired += len(set(objects.labels.tolist())) < len(objects)
        assert (masks.sum(0) <= 1).all()
        overlaps = box_iou(boxes, boxes).fill_diagonal_(0)
        assert overlaps.max() <= 0.2  # 0.15 when placed; a hidden edge can make a box smaller
        heights = objects.boxes[:, 3] - objects.boxes[:, 1]
        assert heights.min() > 10
        assert heights.max() <= 56
    assert counts[0] == 0
    assert counts[1:].min() >= 5
    assert 3 <= paired <= 30


def test_a_digit_differs_from_what_it_covers() -> None:
    """Removing nothing but the digit is not possible from outside: its colour is compared with its surroundings."""
    contrasts = []
    for index in range(20):
        scene = make_digit_scene(0, "test", index)
        grey = scene.pixels.mean(2)
        rest = ~scene.masks.any(0)
        contrasts += [abs(grey[mask].mean() - grey[rest].mean()) for mask in scene.masks]
    assert np.median(contrasts) > 40


def test_the_way_through_cocos_format_keeps_everything(source: ClutteredScenes, tmp_path: Path) -> None:
    small = ClutteredScenes("train", 3)
    again = CocoObjects(export_coco(small, tmp_path))
    assert (again.classes, again.category_ids) == (small.classes, small.category_ids)
    assert np.array_equal(again.sizes, small.sizes)
    for index in range(3):
        assert np.array_equal(np.asarray(again.image(index)), np.asarray(small.image(index)))
        one, other = again.objects(index), small.objects(index)
        for name in ("boxes", "labels", "areas", "crowd", "ids"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        for number in range(len(one)):
            assert np.array_equal(again.object_mask(index, number), small.object_mask(index, number))


def test_annotations_have_numbers_of_their_own(source: ClutteredScenes) -> None:
    numbers = np.concatenate([source.objects(index).ids for index in range(IMAGES)])
    assert len(set(numbers.tolist())) == len(numbers)


@pytest.mark.parametrize(("split", "length", "message"), [("val", None, "train and test"), ("test", 0, "length >= 1")])
def test_impossible_scenes_are_refused(split: str, length: int | None, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ClutteredScenes(split, length)
