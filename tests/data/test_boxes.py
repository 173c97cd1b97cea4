import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autola_analysis.core.errors import DataError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.boxes import Box, box_of, mask_of, object_mask, preprocessed_mask, read_boxes
from autola_analysis.data.side_files import beside_images
from autola_analysis.data.subset import Subset

VOC = """<?xml version="1.0"?>
<annotation><filename>dog</filename><size><width>6</width><height>4</height></size>
<object><name>dog</name><bndbox><xmin>2</xmin><ymin>1</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object>
<object><name>cat</name><bndbox><ymin>2.0</ymin><xmin>5</xmin><ymax>2</ymax><xmax>5</xmax></bndbox></object>
</annotation>"""
BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>"""
READS_FILES = """<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>"""
COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "dog.jpg"}, {"id": 8, "file_name": "empty.jpg"}],
    "annotations": [
        {"image_id": 7, "bbox": [1, 0, 2, 4], "category_id": 1},
        {"image_id": 7, "bbox": [4, 1, 1, 1], "category_id": 2},
        {"image_id": 7, "bbox": [0, 0, 6, 4], "iscrowd": 1},
    ],
}
BOTH = [Box(1, 0, 3, 4), Box(4, 1, 5, 2)]


class Named(ClutteredDigits):
    """Images of given names."""

    def __init__(self, *ids: str) -> None:
        super().__init__("test", len(ids))
        self.ids = list(ids)


def test_side_files_of_class_folders_belong_to_the_image_of_their_path(tmp_path: Path) -> None:
    for folder, box in (("cat", 1), ("dog", 2), ("__MACOSX", 3)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.xml").write_text(VOC.replace("<xmin>2<", f"<xmin>{box}<"))
    boxes = read_boxes(tmp_path)
    assert sorted(boxes) == ["cat/0", "dog/0"]
    for prefix in ("", "/photographs/", "./"):
        source = Named(*(f"{prefix}{name}" for name in ("cat/0.jpg", "cat/1.jpg", "dog/0.jpg", "dog/0/1.jpg")))
        found = beside_images(source, boxes, "box")
        assert {name: boxes[0].left for name, boxes in found.items()} == {
            f"{prefix}cat/0.jpg": 0,
            f"{prefix}dog/0.jpg": 1,
        }


@pytest.mark.parametrize(
    ("ids", "names", "message"),
    [
        (["cat/0.jpg", "dog/0.jpg"], ["0"], "the box '0' fits the images 'cat/0.jpg' and 'dog/0.jpg'"),
        (["cat/0.jpg", "cat/0.png"], ["cat/0"], "the box 'cat/0' fits the images 'cat/0.jpg' and 'cat/0.png'"),
        (["0.jpg"], ["cat/0", "dog/0"], "the image '0.jpg' fits the box 'cat/0' and 'dog/0'"),
    ],
)
def test_names_that_fit_several_are_refused_with_two_of_them(ids: list[str], names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        beside_images(Named(*ids), dict.fromkeys(names, BOTH), "box")


def test_a_sample_hides_no_second_image_of_a_name() -> None:
    source = Named("cat/0.jpg", "dog/0.jpg", "dog/1.jpg")
    with pytest.raises(DataError, match=r"fits the images 'cat/0.jpg' and 'dog/0.jpg'"):
        beside_images(Subset(source, [0]), {"0": BOTH}, "box")
    assert beside_images(Subset(source, [2]), {"1": BOTH, "cat/0": BOTH}, "box") == {"dog/1.jpg": BOTH}


def test_a_whole_name_comes_before_an_end() -> None:
    source = Named("0.jpg", "cat/0.jpg", "cat/1.jpg", "val/cat/1.jpg")
    found = beside_images(source, {"0.jpg": [BOTH[0]], "cat/1": [BOTH[1]]}, "box")
    assert found == {"0.jpg": [BOTH[0]], "cat/1.jpg": [BOTH[1]]}
    assert beside_images(Named("1.jpg"), {"val/cat/1.jpg": BOTH}, "box") == {"1.jpg": BOTH}


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = COCO | {"images": [*COCO["images"], {"id": 9, "file_name": "dog.jpg"}]}
    (tmp_path / "coco.json").write_text(json.dumps(twice))
    with pytest.raises(DataError, match=r"the images 7 and 9 are both called 'dog.jpg'"):
        read_boxes(tmp_path / "coco.json")


def test_voc_and_coco_name_the_same_pixels(tmp_path: Path) -> None:
    (tmp_path / "dog.xml").write_text(VOC)
    (tmp_path / "coco.json").write_text(json.dumps(COCO))
    assert read_boxes(tmp_path / "dog.xml") == {"dog": BOTH}
    assert read_boxes(tmp_path) == {"dog": BOTH}
    coco = read_boxes(tmp_path / "coco.json")
    assert coco == {"dog.jpg": BOTH, "empty.jpg": []}
    assert mask_of(BOTH, 4, 6).astype(int).tolist() == [
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 1, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
    ]
    animals = Named("animals/dog.jpg", "animals/cat.jpg")
    assert beside_images(animals, coco, "box") == beside_images(animals, {"dog": BOTH}, "box")
    assert beside_images(animals, coco, "box") == {"animals/dog.jpg": BOTH}


def test_the_box_of_a_mask_and_back() -> None:
    digits = ClutteredDigits("test", 5)
    for index in range(5):
        mask = digits.mask(index)
        box = box_of(mask)
        around = mask_of([box], *mask.shape)
        assert (mask <= around).all()
        assert box_of(around) == box
    assert box_of(np.zeros((3, 3), dtype=bool)) is None


def test_a_mask_goes_through_the_geometry_of_its_image() -> None:
    mask = np.zeros((40, 80), dtype=bool)
    mask[10:30, 30:50] = True
    found = preprocessed_mask(mask, Preprocessing(resize=20, crop=16, mean=(0.5, 0.5, 0.5)))
    assert found.shape == (16, 16)
    assert box_of(found) == Box(3, 3, 13, 13)
    assert found.sum() == 100
    assert (preprocessed_mask(mask, Preprocessing()) == mask).all()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xml", BOMB, "document type declaration, .* refused"),
        ("a.xml", READS_FILES, "document type declaration, .* refused"),
        ("a.xml", "<annotation><object>", "not well-formed XML"),
        ("a.xml", VOC.replace("<xmin>2</xmin>", ""), "needs the numbers xmin, ymin, xmax and ymax"),
        ("a.xml", VOC.replace("<xmin>2", "<xmin>9"), r"left < right and top < bottom; found \(8.0"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "not built as COCO has it"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]}', "not built as COCO"),
        ("a.json", json.dumps(COCO | {"annotations": [{"image_id": 7, "bbox": [0, 0, 0, 1]}]}), "left < right"),
        ("a.txt", "", "COCO-style .json, a VOC or ImageNet .xml or a folder"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message) as raised:
        read_boxes(tmp_path / name)
    assert name in str(raised.value)


def test_a_missing_file_or_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*nothing.json: no such file"):
        read_boxes(tmp_path / "nothing.json")
    with pytest.raises(DataError, match=r"holds no \.xml file"):
        read_boxes(tmp_path)


def test_a_source_with_masks_needs_no_boxes_and_one_without_has_the_union_of_its_boxes() -> None:
    digits = ClutteredDigits(length=3)
    np.testing.assert_array_equal(object_mask(digits, 2, {digits.ids[2]: BOTH}), digits.mask(2))

    class Unmasked(ClutteredDigits):
        def mask(self, index: int) -> None:  # type: ignore[override]
            return None

    plain = Unmasked(length=3)
    np.testing.assert_array_equal(object_mask(plain, 2, {plain.ids[2]: BOTH}), mask_of(BOTH, 32, 32))
    assert object_mask(plain, 1, {plain.ids[2]: BOTH}) is None
