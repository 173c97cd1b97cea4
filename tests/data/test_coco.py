"""Objects in COCO's format: read as they are, refused where the file contradicts itself."""

import copy
import functools
import json
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autola_analysis.core.bad_boxes import BadBoxes
from autola_analysis.core.errors import AutolaError, BadImageError, DataError
from autola_analysis.core.objects import COCO_SIGMAS
from autola_analysis.data.bad_boxes import BoxChanges
from autola_analysis.data.bad_images import drop_unreadable
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.open_objects import open_objects
from autola_analysis.data.run_lengths import lengths_of, mask_of, unpack


def content() -> dict[str, list[dict[str, Any]]]:
    """Two images, categories 3 and 7, three annotations: a polygon, runs, a crowd."""
    return {
        "images": [
            {"id": 12, "file_name": "one.png", "width": 8, "height": 6},
            {"id": 4, "file_name": "two.png", "width": 5, "height": 5},
        ],
        "categories": [
            {"id": 7, "name": "dog"},
            {"id": 3, "name": "cat", "keypoints": ["nose", "left_ear", "right_ear"], "skeleton": [[1, 2], [1, 3]]},
        ],
        "annotations": [
            {"id": 100, "image_id": 12, "category_id": 7, "bbox": [1, 2, 3, 3.5], "area": 7.5,
             "segmentation": [[1, 2, 4, 2, 4, 5, 1, 5]]},
            {"id": 90, "image_id": 4, "category_id": 3, "bbox": [0, 0, 5.4, 2],
             "keypoints": [1, 1, 2, 3, 1, 1, 0, 0, 0], "segmentation": {"counts": [2, 3, 20], "size": [5, 5]}},
            {"id": 101, "image_id": 12, "category_id": 3, "bbox": [0, 0, 8, 6], "iscrowd": 1},
        ],
    }  # fmt: skip


def written(folder: Path, values: object) -> Path:
    (folder / "annotations").mkdir(exist_ok=True)
    path = folder / "annotations" / "instances.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path


def test_objects_are_read_as_they_are(tmp_path: Path) -> None:
    source = CocoObjects(written(tmp_path, content()))
    assert (source.classes, source.category_ids) == (("cat", "dog"), (3, 7))
    assert source.sizes.tolist() == [[8, 6], [5, 5]]
    assert (source.image_ids.tolist(), list(source.ids), len(source)) == ([12, 4], ["one.png", "two.png"], 2)
    one, two = source.objects(0), source.objects(1)
    assert one.boxes.tolist() == [[1, 2, 4, 5.5], [0, 0, 8, 6]]
    assert (one.labels.tolist(), one.ids.tolist(), one.crowd.tolist()) == ([1, 0], [100, 101], [False, True])
    assert one.areas.tolist() == [7.5, 48]
    assert two.boxes.tolist() == [[0, 0, 5.4, 2]]  # as COCO rounds: outside by less than a pixel
    assert two.keypoints is not None
    assert two.keypoints.tolist() == [[[1, 1, 2], [3, 1, 1], [0, 0, 0]]]
    assert one.keypoints is not None
    assert not one.keypoints.any()


def test_joints_are_paired_by_their_names(tmp_path: Path) -> None:
    joints = CocoObjects(written(tmp_path, content())).joints
    assert joints is not None
    assert (joints.names, joints.pairs) == (("nose", "left_ear", "right_ear"), ((1, 2),))
    assert (joints.skeleton, joints.sigmas) == (((0, 1), (0, 2)), None)
    assert len(COCO_SIGMAS) == 17


def test_masks_are_polygons_or_runs_down_the_columns(tmp_path: Path) -> None:
    source = CocoObjects(written(tmp_path, content()))
    polygon, runs = source.object_mask(0, 0), source.object_mask(1, 0)
    assert polygon is not None
    assert polygon.shape == (6, 8)
    assert polygon[2:5, 1:4].all()
    assert not polygon[:2].any()
    assert not polygon[:, 5:].any()
    assert runs is not None
    assert np.argwhere(runs).tolist() == [[2, 0], [3, 0], [4, 0]]
    assert source.object_mask(0, 1) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**49 - 1))
def test_runs_and_masks_are_inverse(height: int, width: int, bits: int) -> None:
    mask = np.array([bits >> place & 1 for place in range(height * width)], dtype=bool).reshape(height, width)
    assert np.array_equal(mask_of(lengths_of(mask), height, width), mask)


def test_packed_runs_hold_differences_from_the_fourth_on() -> None:
    """Five bits a character from "0" on, sixth bit: more; 1000 = 8 + 31 * 32, -3 = 29 with the sign bit."""
    assert unpack("52203") == [5, 2, 2, 2, 5]
    assert unpack("Xo0") == [1000]
    assert unpack("97MM") == [9, 7, -3, 4]


@pytest.mark.parametrize("turned", [False, True])
def test_images_have_the_orientation_of_their_annotations(tmp_path: Path, turned: bool) -> None:
    values = content()
    values["images"][0] |= {"file_name": "turned.jpg"} | ({"width": 6, "height": 8} if turned else {})
    values["annotations"] = []
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "images" / "turned.jpg", exif=exif)
    assert CocoObjects(written(tmp_path, values)).image(0).size == ((6, 8) if turned else (8, 6))


def test_an_image_of_another_size_or_place_is_refused(tmp_path: Path) -> None:
    source = CocoObjects(written(tmp_path, content()))
    with pytest.raises(BadImageError, match=r"no such file in any of .*annotations, .*; put the images, or a link"):
        source.image(0)
    Image.new("RGB", (9, 9)).save(tmp_path / "one.png")
    with pytest.raises(BadImageError, match=r"it has 9 x 9 pixels where .* says 8 x 6"):
        source.image(0)


@pytest.mark.parametrize("folder", [".", "images", "..", "../images", "../val2017"])
def test_images_are_found_beside_their_annotations(tmp_path: Path, folder: str) -> None:
    path = written(tmp_path, content())
    (path.parent / folder).mkdir(exist_ok=True)
    Image.new("RGB", (8, 6)).save(path.parent / folder / "one.png")
    assert CocoObjects(path).image(0).size == (8, 6)


def test_images_that_are_not_there_can_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, content())
    Image.new("RGB", (8, 6)).save(tmp_path / "one.png")
    source = CocoObjects(path)
    rest, left_out = drop_unreadable(source)
    assert (list(rest.ids), len(left_out)) == (["one.png"], 1)
    before = rest.fingerprint(), rest.listing(), rest.origin()
    rest.check_unchanged()
    Image.new("RGB", (5, 5)).save(tmp_path / "two.png")
    with pytest.raises(DataError, match="changed while they were read"):
        rest.check_unchanged()
    again = CocoObjects(path)
    assert not {again.fingerprint(), again.listing(), again.origin()} & set(before)


def with_annotation(**changes: object) -> dict[str, Any]:
    values = content()
    values["annotations"][0] |= changes
    return values


def with_joints(**changes: object) -> dict[str, Any]:
    values = content()
    (category,) = (entry for entry in values["categories"] if "keypoints" in entry)
    category |= changes
    return values


def twice(key: str) -> dict[str, Any]:
    values = content()
    return {**values, key: [*values[key], values[key][0]]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("no JSON", "cannot be used: it is no JSON: Expecting value"),
        ([1], "has no list of images"),
        ({"images": [], "categories": [{"id": 1}], "annotations": []}, "categories without 'name'"),
        (twice("images"), "two entries for image 12"),
        (twice("categories"), "two entries for category 7"),
        (twice("annotations"), "two entries for annotation 100"),
        (with_annotation(image_id=5), "annotation 100 belongs to image 5, which is not in it"),
        (with_annotation(image_id=[5]), r"annotations whose image_id is \[5\], where a whole number is due"),
        (with_annotation(category_id=4), "annotation 100 has the unknown category 4"),
        (with_annotation(bbox=[1, 2, 0, 3]), r"the box \[1, 2, 0, 3\] of annotation 100 has no area"),
        (with_annotation(bbox=[7, 2, 3, 3]), r"reaches beyond its image of 8 x 6 pixels; give --bad-boxes clip to cut"),
        (with_annotation(bbox=None), "the box None of annotation 100 is not four finite numbers"),
        (
            with_annotation(bbox=[1, 2, float("nan"), 3]),
            r"the box \[1, 2, nan, 3\] of annotation 100 is not four finite",
        ),
        (with_annotation(bbox=[True, 2, 3, 3]), r"the box \[True, 2, 3, 3\] of annotation 100 is not four finite"),
        (with_annotation(area=None), "annotation 100 has the area None, and finite numbers are needed"),
        (with_annotation(area=float("nan")), "annotation 100 has the area nan, and finite numbers are needed"),
        (with_annotation(area="9"), "annotation 100 has the area '9', and finite numbers are needed"),
        (with_annotation(keypoints=[1, 2]), "annotation 100 has 2 numbers for 3 joints"),
        (with_annotation(keypoints=5), "annotation 100 has the keypoints 5, and finite numbers are needed"),
        (with_joints(keypoints=5), "gives joints with the keypoints 5, where a list of names is needed"),
        (with_joints(skeleton=[[1]]), r"the skeleton \[\[1\]\], where pairs of numbers are needed"),
        (with_joints(sigmas=["a", "b", "c"]), r"the sigmas \['a', 'b', 'c'\], where finite numbers are needed"),
        (
            with_annotation(keypoints=[*[1] * 8, "2"]),
            r"annotation 100 has the keypoints \[1, .*'2'\], and finite numbers are needed",
        ),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path: Path, values: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        CocoObjects(written(tmp_path, values))


def test_the_number_of_bad_boxes_is_told(tmp_path: Path) -> None:
    values = content()
    for entry in values["annotations"]:
        entry["bbox"] = [1, 2, 0, 3]
    with pytest.raises(DataError, match="of annotation 100 has no area, and so it is with 2 more boxes; give --bad"):
        CocoObjects(written(tmp_path, values))


ODD = (None, "x", "x" * 5000, -1, 10**20, 1e308, float("nan"), [], [["x"]], {"a": 1})


def places(value: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the keys and numbers that lead to every value of nested lists and tables."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*above, key)
            yield from places(inner, *above, key)


def test_a_file_with_any_one_value_replaced_is_read_or_refused_by_a_sentence(tmp_path: Path) -> None:
    whole, refused = content(), 0
    whole["categories"][1]["sigmas"] = [0.1, 0.2, 0.2]
    for image in whole["images"]:
        Image.new("RGB", (image["width"], image["height"])).save(tmp_path / image["file_name"])
    for *above, last in places(whole):
        for odd in ODD:
            values = copy.deepcopy(whole)
            functools.reduce(operator.getitem, above, values)[last] = odd
            try:
                source = CocoObjects(written(tmp_path, values))
                for index in range(len(source.ids)):
                    source.image(index)
                    for number in range(len(source.objects(index).labels)):
                        source.object_mask(index, number)
                source.fingerprint()
            except AutolaError:
                refused += 1
    assert refused > 300


def test_cocos_training_file_is_read_without_its_bad_boxes(tmp_path: Path) -> None:
    path = written(tmp_path, with_annotation(bbox=[1, 2, 0, 4]))
    for split in ("train", "val"):
        (path.parent / f"instances_{split}2017.json").write_text(path.read_text())
    train = open_objects(f"coco:{tmp_path}", split="train")
    whole = CocoObjects(path, bad_boxes="drop")
    assert [train.objects(index).ids.tolist() for index in range(len(train))] == [
        whole.objects(index).ids.tolist() for index in range(len(whole))
    ]
    with pytest.raises(DataError, match="has no area"):
        open_objects(f"coco:{tmp_path}")


def with_bad_boxes() -> dict[str, Any]:
    """Of the first image, one box reaches out by 3 and 2 pixels, one lies outside, one has no area, two are odd."""
    values = with_annotation(bbox=[-3, 1, 6, 7], area=40)
    boxes: list[object] = [[9, 1, 3, 3], [1, 2, 0, 3], None, [float("nan"), 2, 3, 3], [0, 0, 8.9, 6]]
    values["annotations"] += [
        {"id": 200 + number, "image_id": 12, "category_id": 7, "bbox": box} for number, box in enumerate(boxes)
    ]
    return values


def test_bad_boxes_are_cut_at_the_border_or_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, with_bad_boxes())
    cut, left = CocoObjects(path, bad_boxes="clip"), CocoObjects(path, bad_boxes="drop")
    objects = cut.objects(0)
    assert objects.ids.tolist() == [100, 101, 204]
    assert objects.boxes.tolist() == [[0, 1, 3, 6], [0, 0, 8, 6], [0, 0, 8.9, 6]]  # by less than a pixel, as COCO's own
    assert objects.areas.tolist() == [15, 48, 8.9 * 6]  # no larger than what is left of the box
    assert (cut.box_changes, left.box_changes) == (BoxChanges(1, 4), BoxChanges(0, 5))
    assert left.objects(0).ids.tolist() == [101, 204]
    assert cut.objects(1).ids.tolist() == left.objects(1).ids.tolist() == [90]
    assert cut.box_changes.sentence() == (
        "1 annotated box is cut at the border and 4 annotated boxes are left out, since they reach "
        "beyond their images or have no area."
    )
    assert BoxChanges(1).sentence().endswith("is cut at the border, since it reaches beyond its image or has no area.")
    small = with_annotation(bbox=[-3, 1, 6, 7], area=9)
    assert CocoObjects(written(tmp_path, small), bad_boxes="clip").objects(0).areas[0] == 9


def test_what_is_done_with_bad_boxes_is_part_of_the_fingerprint_where_there_are_some(tmp_path: Path) -> None:
    path = written(tmp_path, with_bad_boxes())
    cut, left = (CocoObjects(path, bad_boxes=how) for how in get_args(BadBoxes))
    assert cut.fingerprint() != left.fingerprint()
    assert cut.listing() != left.listing()
    path = written(tmp_path, content())
    assert len({CocoObjects(path, bad_boxes=how).fingerprint() for how in (None, *get_args(BadBoxes))}) == 1


def test_no_bad_box_is_no_change(tmp_path: Path) -> None:
    source = CocoObjects(written(tmp_path, content()), bad_boxes="clip")
    assert not source.box_changes
    assert source.objects(1).boxes.tolist() == [[0, 0, 5.4, 2]]


@pytest.mark.parametrize("counts", [[2, 3], "5", [26, -1], [*[2**62] * 4, 48]])
def test_masks_that_do_not_fit_are_refused(tmp_path: Path, counts: object) -> None:
    source = CocoObjects(written(tmp_path, with_annotation(segmentation={"counts": counts})))
    with pytest.raises(DataError, match="the mask of annotation 100 cannot be read"):
        source.object_mask(0, 0)


def test_the_fingerprint_follows_annotations_and_images(tmp_path: Path) -> None:
    for name, size in (("one.png", (8, 6)), ("two.png", (5, 5))):
        Image.new("RGB", size).save(tmp_path / name)
    source = CocoObjects(written(tmp_path, content()))
    one = source.fingerprint()
    assert CocoObjects(written(tmp_path, content())).fingerprint() == one
    assert CocoObjects(written(tmp_path, with_annotation(bbox=[1, 2, 3, 3]))).fingerprint() != one
    source.check_unchanged()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "one.png")
    assert CocoObjects(written(tmp_path, content())).fingerprint() != one
    with pytest.raises(DataError, match="changed while they were read"):
        source.check_unchanged()


def test_the_contents_are_hashed_with_objects_and_files(tmp_path: Path) -> None:
    for name, size in (("one.png", (8, 6)), ("two.png", (5, 5))):
        Image.new("RGB", size).save(tmp_path / name)
    one = CocoObjects(written(tmp_path, content())).hash_contents()
    assert CocoObjects(written(tmp_path, content())).hash_contents() == one
    assert CocoObjects(written(tmp_path, with_annotation(area=8))).hash_contents() != one
    Image.new("RGB", (5, 5), "red").save(tmp_path / "two.png")
    assert CocoObjects(written(tmp_path, content())).hash_contents() != one
