"""What a user can write to get a source of objects."""

import json
from pathlib import Path

import pytest
from PIL import Image

from autola_analysis.core.errors import DataError, OptionError, UnknownNameError
from autola_analysis.data.open_objects import open_objects

CONTENT = {
    "images": [{"id": 1, "file_name": "a.png", "width": 4, "height": 3}],
    "categories": [{"id": 1, "name": "person"}],
    "annotations": [],
}


@pytest.mark.parametrize("folder", ["train2017", "images/train2017"])
@pytest.mark.parametrize(("name", "prefix"), [("coco", "instances"), ("coco-keypoints", "person_keypoints")])
def test_coco_is_found_below_its_folder(tmp_path: Path, folder: str, name: str, prefix: str) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / folder).mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(tmp_path / folder / "a.png")
    (tmp_path / "annotations" / f"{prefix}_train2017.json").write_text(json.dumps(CONTENT))
    source = open_objects(f"{name}:{tmp_path}", split="train")
    assert (source.name, source.split, source.image(0).size) == (f"{name}:{tmp_path}", "train", (4, 3))


def test_any_file_in_cocos_format_is_opened(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(CONTENT))
    assert open_objects(f"objects:{tmp_path / 'mine.json'}").classes == ("person",)


def test_some_of_the_images_are_drawn_by_the_seed() -> None:
    whole = open_objects("cluttered-scenes")
    one, other, again = (open_objects("cluttered-scenes", limit=20, seed=seed) for seed in (0, 1, 0))
    assert len(one) == 20
    assert set(one.ids) < set(whole.ids)
    assert one.ids == again.ids != other.ids
    assert one.fingerprint() == again.fingerprint() != whole.fingerprint()
    with pytest.raises(OptionError, match="at least 1 image; found 0"):
        open_objects("cluttered-scenes", limit=0)


def test_scenes_are_made_on_the_spot() -> None:
    assert [len(open_objects("cluttered-scenes", split=split)) for split in (None, "train")] == [1000, 3000]


@pytest.mark.parametrize(
    ("spec", "split", "error", "message"),
    [
        ("coc:/x", None, UnknownNameError, "unknown source of objects 'coc'"),
        ("coco", None, OptionError, "write coco:ROOT"),
        ("coco:/nowhere", None, DataError, "holds no annotations/instances_val2017.json"),
        ("objects", None, OptionError, "write objects:FILE.json"),
        ("objects:/x.json", "val", OptionError, "leave --split out"),
        ("objects:/nowhere.json", None, DataError, "cannot read /nowhere.json"),
        ("cluttered-scenes:/x", None, OptionError, "takes no path"),
    ],
)
def test_what_cannot_be_opened_is_refused(spec: str, split: str | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_objects(spec, split=split)
