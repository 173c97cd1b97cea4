"""The embedded data as files: what is read back is what was written, and a folder is made whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest

from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.data.embedded_export import EMBEDDED, embedded_objects, export_embedded
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.open import open_source
from autola_analysis.data.open_objects import open_objects

IMAGES = 3


def scenes(limit: int = 1) -> ObjectSource:
    return embedded_objects("cluttered-scenes", limit=limit)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", EMBEDDED)
def test_what_is_read_back_has_the_same_pixels_objects_masks_and_joints(tmp_path: Path, name: str, split: str) -> None:
    source = embedded_objects(name, split, IMAGES)
    again = open_objects(f"objects:{export_embedded(source, tmp_path / 'out')}")
    assert (again.classes, again.category_ids, again.joints) == (source.classes, source.category_ids, source.joints)
    assert again.ids == [f"{each}.png" for each in source.ids]
    assert np.array_equal(again.image_ids, source.image_ids)
    assert np.array_equal(again.sizes, source.sizes)
    assert again.known() == source.known()
    for index in range(IMAGES):
        assert np.array_equal(np.asarray(again.image(index)), np.asarray(source.image(index)))
        for number in range(len(source.objects(index))):
            assert np.array_equal(again.object_mask(index, number), source.object_mask(index, number))


def test_digits_are_also_a_folder_per_class(tmp_path: Path) -> None:
    digits = open_source("cluttered-digits", split="train", limit=20)
    export_embedded(embedded_objects("cluttered-digits", "train", 20), tmp_path / "out")
    again = open_source(f"folder:{tmp_path / 'out' / 'images'}", split="train")
    assert again.classes == digits.classes
    order = np.argsort(digits.labels, kind="stable")  # a folder is read class by class
    assert np.array_equal(again.labels, digits.labels[order])
    for index, own in enumerate(order[:3]):
        assert np.array_equal(np.asarray(again.image(index)), np.asarray(digits.image(int(own))))


def test_an_interrupted_export_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        assert next(tmp_path.rglob("*.png")).exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_embedded(scenes(), tmp_path / "a" / "b" / "out", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_the_one_that_it_would_replace(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    path = export_embedded(scenes(), tmp_path / "out")
    before = path.read_text()
    with pytest.raises(KeyboardInterrupt):
        export_embedded(scenes(2), tmp_path / "out", overwrite=True, progress=interrupt)
    assert path.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_an_export_takes_an_empty_folder_and_replaces_an_earlier_export_where_it_is_told_to(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    done: list[int] = []
    export_embedded(scenes(2), out, progress=done.append)
    assert done == [1, 1]
    with pytest.raises(OptionError, match="holds an export already; give --overwrite to replace it"):
        export_embedded(scenes(), out)
    path = export_embedded(scenes(), out, overwrite=True)
    assert len(json.loads(path.read_text())["images"]) == len(list(out.rglob("*.png"))) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_what_no_export_wrote_is_never_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.txt").write_text("mine")
    with pytest.raises(OptionError, match="mine holds files that no export wrote; choose another --out"):
        export_embedded(scenes(), mine, overwrite=True)
    with pytest.raises(OptionError, match=r"a.txt is a file; --out names a folder"):
        export_embedded(scenes(), mine / "a.txt", overwrite=True)
    export_embedded(scenes(), tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OptionError, match="an export to which something was done since; move it away"):
        export_embedded(scenes(), tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == (mine / "a.txt").read_text() == "mine"


def test_other_data_are_not_exported() -> None:
    with pytest.raises(UnknownNameError, match="cluttered-scenes, digit-puppets, cluttered-digits; found 'coco'"):
        embedded_objects("coco")
    with pytest.raises(OptionError, match="has the splits train and test; found 'val'"):
        embedded_objects("digit-puppets", "val")
