"""Objects as images: where they are cut, what they are called, and analyses that run on them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.object_crops import ObjectCrops
from autola_analysis.data.open import open_source
from autola_analysis.study.file import DataTable
from autola_analysis.study.sources import open_data


@pytest.fixture
def source(tmp_path: Path) -> CocoObjects:
    """An image of 60 x 40 with an object of each kind: in the middle, at the edge, too small, a crowd, too large."""
    boxes = [[20, 10, 10, 20], [50, 0, 10, 10], [5, 5, 7, 20], [0, 0, 30, 30], [0, 0, 60, 20]]
    content = {
        "images": [{"id": 1, "file_name": "empty.png", "width": 60, "height": 40},
                   {"id": 2, "file_name": "a.png", "width": 60, "height": 40}],
        "categories": [{"id": 5, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"id": number, "image_id": 2, "category_id": 9 if number % 2 else 5, "bbox": box, "iscrowd": number == 3,
             "segmentation": [[20, 10, 30, 10, 20, 30]] if number == 0 else []}
            for number, box in enumerate(boxes)
        ],
    }  # fmt: skip
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    for name in ("a.png", "empty.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "mine.json").write_text(json.dumps(content))
    return CocoObjects(tmp_path / "mine.json")


def test_every_object_that_is_large_enough_and_no_crowd_is_a_square_inside_its_image(source: CocoObjects) -> None:
    crops = ObjectCrops(source)
    assert crops.ids == ["a.png#0", "a.png#1", "a.png#4"]
    assert [crops.classes[label] for label in crops.labels] == ["cat", "dog", "cat"]
    # 20 x 1.2 = 24 around (25, 20); 10 x 1.2 = 12, moved inside; 60 x 1.2 = 72, cut to the 40 of the shorter side
    assert crops.corners.tolist() == [[13, 8, 37, 32], [48, 0, 60, 12], [10, 0, 50, 40]]
    whole = np.asarray(source.image(1))
    np.testing.assert_array_equal(np.asarray(crops.image(0)), whole[8:32, 13:37])
    mask = source.object_mask(1, 0)
    assert mask is not None
    np.testing.assert_array_equal(crops.mask(0), mask[8:32, 13:37])
    assert crops.mask(1) is None


def test_the_fingerprint_is_another_than_that_of_the_images(source: CocoObjects) -> None:
    crops = ObjectCrops(source)
    assert crops.fingerprint() == ObjectCrops(source).fingerprint() != source.fingerprint()
    assert crops.origin() == source.origin()
    crops.check_unchanged()
    Image.new("RGB", (60, 40)).save(source.path.parent / "a.png")
    with pytest.raises(DataError, match="changed while they were read"):
        crops.check_unchanged()


def test_sources_of_objects_are_opened_as_crops_by_their_name(source: CocoObjects, tmp_path: Path) -> None:
    crops = open_source(f"object-crops:objects:{source.path}")
    assert (len(crops), crops.name) == (3, f"object-crops:objects:{source.path}")
    scenes = open_source("object-crops:cluttered-scenes", split="test", limit=20)
    assert len(scenes) == 20
    with pytest.raises(OptionError, match="write object-crops:coco:ROOT"):
        open_source("object-crops")
    table = DataTable(source="object-crops:objects:mine.json")
    assert len(open_data("images", table, str(table.source), tmp_path, 0).source) == 3  # relative to the study


def test_a_crop_of_a_scene_shows_the_stroke_of_its_digit() -> None:
    crops = ObjectCrops(ClutteredScenes("test", 3))
    for index in range(len(crops)):
        mask = crops.mask(index)
        assert mask is not None
        assert mask.shape == crops.image(index).size[::-1]
        assert mask.any()


def test_without_objects_there_are_no_crops(source: CocoObjects) -> None:
    class Empty(CocoObjects):
        def __len__(self) -> int:
            return 1  # the image without objects

    with pytest.raises(DataError, match="holds no object with sides of 8 pixels"):
        ObjectCrops(Empty(source.path))
