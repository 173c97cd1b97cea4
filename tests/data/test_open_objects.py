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


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of images, and beside it, in folders of their own, files of annotations that are about them."""
    images = tmp_path / "images of mine"
    (images / "val2017").mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(images / "val2017" / "a.png")
    for name in ("annotations/instances_val2017.json", "mine/mine.json"):
        path = tmp_path / "deep" / "down" / name
        path.parent.mkdir(parents=True)
        with_url = {**CONTENT["images"][0], "coco_url": "http://images.cocodataset.org/val2017/a.png"}
        path.write_text(json.dumps({**CONTENT, "images": [with_url]}))
    return images


@pytest.mark.parametrize("spec", ["coco:{}/deep/down", "objects:{}/deep/down/mine/mine.json"])
@pytest.mark.parametrize("below", [".", "val2017"])
def test_images_may_lie_elsewhere(elsewhere: Path, spec: str, below: str) -> None:
    source = open_objects(spec.format(elsewhere.parent), images_root=elsewhere / below)
    assert source.image(0).size == (4, 3)


def test_the_images_of_other_folders_have_other_addresses(elsewhere: Path, tmp_path: Path) -> None:
    spec = f"objects:{tmp_path}/deep/down/mine/mine.json"
    linked = tmp_path / "linked"
    linked.symlink_to(elsewhere / "val2017")
    one, same, other = (open_objects(spec, images_root=root) for root in (elsewhere, elsewhere, linked))
    assert one.address() == same.address() != other.address()
    assert one.fingerprint() == other.fingerprint()  # the same images


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("nowhere", r"there is no folder .*nowhere, and --images-root names the folder that holds the images of mine"),
        ("deep/down/mine/mine.json", r"mine.json is a file, and --images-root names the folder"),
        (
            "deep",
            r"deep holds none of the images that .*mine.json lists, of which a.png or val2017.a.png was looked",
        ),
    ],
)
def test_a_folder_without_the_images_is_refused(elsewhere: Path, root: str, message: str) -> None:
    base = elsewhere.parent
    with pytest.raises(DataError, match=message):
        open_objects(f"objects:{base}/deep/down/mine/mine.json", images_root=base / root)


@pytest.mark.parametrize("spec", ["cluttered-scenes", "digit-puppets"])
def test_what_is_said_of_files_in_cocos_format_is_refused_of_others(spec: str) -> None:
    with pytest.raises(OptionError, match=f"--images-root is for data in COCO's format, .* and {spec} is not; leave"):
        open_objects(spec, images_root="/data")
    with pytest.raises(OptionError, match="--bad-boxes is for data in COCO's format"):
        open_objects(spec, bad_boxes="clip")
    with pytest.raises(OptionError, match="--bad-boxes is one of clip, drop; found 'keep'"):
        open_objects(spec, bad_boxes="keep")  # type: ignore[arg-type]
